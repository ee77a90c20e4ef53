package config

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"
	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"

	"rollcall/services/check"
)

const envPrefix = "ROLLCALL_"

// Read reads the configuration: a flag that was given goes before the environment, that before the file, that before
// the default. path may be empty, and flags and handlers, which are Config.Proxy.Handlers, nil. The error has one line for each
// problem and names the key.
func Read(path string, flags *pflag.FlagSet, handlers map[string]http.Handler) (Config, error) {
	k := koanf.New(".")
	p := check.Of("")
	if path != "" {
		if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
			return Config{}, fmt.Errorf("configuration file %s: %w", path, err)
		}
		checkKeys(p, path, k)
	}
	byEnv := make(map[string]string)
	for _, key := range Keys() {
		byEnv[key.Env()] = key.Path
	}
	checkVariables(p, os.Environ())
	known := func(name, value string) (string, any) { return byEnv[name], value }
	if err := k.Load(env.Provider(".", env.Opt{Prefix: envPrefix, TransformFunc: known}), nil); err != nil {
		return Config{}, fmt.Errorf("environment: %w", err)
	}
	if flags != nil {
		given := posflag.ProviderWithFlag(flags, ".", nil, func(f *pflag.Flag) (string, any) {
			if !isKey(f.Name) {
				return "", nil
			}
			return f.Name, posflag.FlagVal(flags, f)
		})
		if err := k.Load(given, nil); err != nil {
			return Config{}, fmt.Errorf("flags: %w", err)
		}
	}
	return decode(k, handlers, p)
}

// checkKeys allows a section that says nothing.
func checkKeys(p *check.Fields, path string, k *koanf.Koanf) {
	for _, key := range k.Keys() {
		value := k.Get(key)
		_, isMap := value.(map[string]any) // with something in it, it would not be listed
		silent := isSection(key) && (value == nil || isMap)
		if !isKey(key) && !silent {
			p.Add(fmt.Errorf("configuration file %s: unknown key %q%s", path, key, didYouMean(key)))
		}
	}
}

// isKey allows anything below a key that is a map.
func isKey(path string) bool {
	return slices.ContainsFunc(Keys(), func(k Key) bool {
		_, isMap := k.Default.(map[string]string)
		return k.Path == path || isMap && strings.HasPrefix(path, k.Path+".")
	})
}

func isSection(path string) bool {
	return slices.ContainsFunc(Keys(), func(k Key) bool { return strings.HasPrefix(k.Path, path+".") })
}

func didYouMean(path string) string {
	var paths []string
	for _, k := range Keys() {
		if strings.HasPrefix(k.Path, path+".") {
			return fmt.Sprintf(": it is a section with the key %q and others", k.Path)
		}
		paths = append(paths, k.Path)
	}
	key := nearest(path, paths)
	if key == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", key)
}

// nearest is the name that takes the fewest edits, if any takes fewer than another name altogether.
func nearest(to string, names []string) (name string) {
	distance := len(to)
	for _, n := range names {
		if d := levenshtein.ComputeDistance(to, n); d < distance {
			name, distance = n, d
		}
	}
	return name
}

// decode reads key by key, so that every problem is told, and with its key. A key that cannot be read has its default
// for the checks that follow.
func decode(k *koanf.Koanf, handlers map[string]http.Handler, p *check.Fields) (Config, error) {
	cfg := Default()
	cfg.Proxy.Handlers = handlers
	for _, key := range keysOf(reflect.ValueOf(&cfg).Elem(), "") {
		if err := key.set(k.Get(key.Path)); err != nil {
			p.Add(fmt.Errorf("%s: %w", key.Path, err))
		}
	}
	if cfg.ID == "" {
		cfg.ID, cfg.randomID = defaultID(), true
	}
	p.Add(cfg.Validate())
	return cfg, p.Err()
}

// set leaves the default where nobody said anything: a key without a value is the same as no key.
func (k Key) set(value any) error {
	if value == nil {
		return nil
	}
	read := reflect.New(k.value.Type())
	d, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result:           read.Interface(),
		WeaklyTypedInput: true, // of text
		DecodeHook:       fromText,
	})
	if err != nil {
		return err
	}
	if err := d.Decode(value); err != nil {
		return plain(err)
	}
	k.value.Set(read.Elem())
	return nil
}

// fromText takes a scalar for the text that it is, whatever YAML took it for, because the environment has nothing but
// text: true is the word where a word is wanted, 1.5 no whole number, and a number without a unit no duration.
func fromText(from, to reflect.Type, value any) (any, error) {
	if from.Kind() == reflect.Slice || from.Kind() == reflect.Map {
		return value, nil
	}
	text := fmt.Sprint(value)
	switch to {
	case reflect.TypeFor[time.Duration]():
		d, err := time.ParseDuration(text)
		if err != nil {
			return nil, fmt.Errorf("%q: want a number with its unit, such as 10s or 250ms", text)
		}
		return d, nil
	case reflect.TypeFor[[]string]():
		return listed(text), nil
	case reflect.TypeFor[map[string]string]():
		return paired(text)
	}
	return text, nil
}

// listed reads one,two.
func listed(text string) []string {
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ',' })
	for i, w := range words {
		words[i] = strings.TrimSpace(w)
	}
	return words
}

// paired reads key=value,key=value.
func paired(text string) (map[string]string, error) {
	m := make(map[string]string)
	for _, pair := range listed(text) {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, fmt.Errorf("%q: want key=value", pair)
		}
		m[name] = value
	}
	return m, nil
}

// plain is the innermost error: mapstructure wraps it in names of its own.
func plain(err error) error {
	for {
		inner := errors.Unwrap(err)
		if joined, ok := err.(interface{ Unwrap() []error }); ok && len(joined.Unwrap()) > 0 {
			inner = joined.Unwrap()[0]
		}
		if inner == nil {
			return err
		}
		err = inner
	}
}

func defaultID() string {
	host, err := os.Hostname()
	if err != nil {
		host = "rollcall"
	}
	return idOn(host)
}

// idOn is the host's name, so that people recognise it, and a random suffix, because no two processes may have one id.
func idOn(host string) string {
	clean := strings.Map(func(r rune) rune {
		if validName.MatchString(string(r)) {
			return r
		}
		return '-'
	}, host)
	suffix := "-" + strings.ToLower(rand.Text()[:8])
	return clean[:min(len(clean), maxID-len(suffix))] + suffix
}
