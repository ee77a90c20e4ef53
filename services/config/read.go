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

// Read reads the configuration. A flag that was given overrides the environment, the environment overrides the file at path, and the file
// overrides the default. path may be empty. flags and handlers may be nil; handlers become Config.Proxy.Handlers. The error has one line
// per problem, which names the key.
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

// checkKeys adds an error for each key of the file that does not exist. A section without content is allowed.
func checkKeys(p *check.Fields, path string, k *koanf.Koanf) {
	for _, key := range k.Keys() {
		value := k.Get(key)
		_, isMap := value.(map[string]any) // whether the value is an empty map: k.Keys lists the keys in a map, and the map itself only if it is empty
		empty := isSection(key) && (value == nil || isMap)
		if !isKey(key) && !empty {
			p.Add(fmt.Errorf("configuration file %s: unknown key %q%s", path, key, didYouMean(key)))
		}
	}
}

// isKey reports whether path is a key, or an entry of a key that is a map.
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

// nearest returns the name that needs the fewest edits to become the text in the parameter to. It returns "" if each name needs at least as
// many edits as that text has bytes.
func nearest(to string, names []string) (name string) {
	distance := len(to)
	for _, n := range names {
		if d := levenshtein.ComputeDistance(to, n); d < distance {
			name, distance = n, d
		}
	}
	return name
}

// decode decodes key by key, so that it can report every problem with its key. A key with an error keeps its default, so that further
// checks are possible.
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

// set decodes value into the field of the key. A key without a value keeps its default.
func (k Key) set(value any) error {
	if value == nil {
		return nil
	}
	decoded := reflect.New(k.value.Type())
	d, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result:           decoded.Interface(),
		WeaklyTypedInput: true, // parses numbers and booleans from text
		DecodeHook:       fromText,
	})
	if err != nil {
		return err
	}
	if err := d.Decode(value); err != nil {
		return plain(err)
	}
	k.value.Set(decoded.Elem())
	return nil
}

// fromText converts each scalar to text before it is decoded. So a value in YAML means the same as in the environment, which has only text:
// true can be a string, 1.5 is no integer, and a number without a unit is no duration.
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
		return parseList(text), nil
	case reflect.TypeFor[map[string]string]():
		return parseMap(text)
	}
	return text, nil
}

// parseList parses a list such as one,two.
func parseList(text string) []string {
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ',' })
	for i, w := range words {
		words[i] = strings.TrimSpace(w)
	}
	return words
}

// parseMap parses a map such as key=value,key=value.
func parseMap(text string) (map[string]string, error) {
	m := make(map[string]string)
	for _, pair := range parseList(text) {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, fmt.Errorf("%q: want key=value", pair)
		}
		m[name] = value
	}
	return m, nil
}

// plain returns the innermost error of err, without the names of Go types that mapstructure adds.
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

// idOn returns an id: the host name, which people recognize, and a random suffix, so that each process has a different id.
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
