package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/knadh/koanf/maps"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/spf13/pflag"
)

// Key is one setting, as the file, the environment and the flags name it.
type Key struct {
	Path    string // such as nsq.lookupd
	Doc     string
	Default any
	Secret  bool

	value reflect.Value // the field of the Config that the key was taken of
}

// Env is the environment variable of the key: ROLLCALL_NSQ_LOOKUPD.
func (k Key) Env() string { return envPrefix + strings.ToUpper(strings.ReplaceAll(k.Path, ".", "_")) }

// Keys are all settings in the order of Config.
func Keys() []Key {
	def := Default()
	return keysOf(reflect.ValueOf(def), "")
}

func keysOf(section reflect.Value, prefix string) []Key {
	var keys []Key
	for i := range section.NumField() {
		field := section.Type().Field(i)
		name := field.Tag.Get("koanf")
		if name == "-" { // only a program can set it
			continue
		}
		path := prefix + name
		if field.Type.Kind() == reflect.Struct {
			keys = append(keys, keysOf(section.Field(i), path+".")...)
			continue
		}
		keys = append(keys, Key{
			Path:    path,
			Doc:     field.Tag.Get("doc"),
			Default: section.Field(i).Interface(),
			Secret:  field.Tag.Get("secret") == "true",
			value:   section.Field(i),
		})
	}
	return keys
}

// AddFlags adds a flag for each key that is named, and for each one of a section that is named, such as "nsq". Read
// reads those that were given.
func AddFlags(flags *pflag.FlagSet, names ...string) {
	for _, k := range Keys() {
		if slices.ContainsFunc(names, func(n string) bool { return k.Path == n || strings.HasPrefix(k.Path, n+".") }) {
			k.addTo(flags)
		}
	}
}

func (k Key) addTo(flags *pflag.FlagSet) {
	switch d := reflect.ValueOf(k.Default); d.Kind() {
	case reflect.String:
		flags.String(k.Path, d.String(), k.Doc)
	case reflect.Bool:
		flags.Bool(k.Path, d.Bool(), k.Doc)
	case reflect.Int:
		flags.Int(k.Path, int(d.Int()), k.Doc)
	default: // durations, lists and maps are checked by Read, as those of the file are
		flags.String(k.Path, k.DefaultText(), k.Doc)
	}
}

// DefaultText is the default as one writes it in the environment.
func (k Key) DefaultText() string {
	switch d := k.Default.(type) {
	case []string:
		return strings.Join(d, ",")
	case map[string]string:
		return ""
	default:
		return fmt.Sprint(d)
	}
}

const masked = "********"

// YAML is the configuration as a file says it, with secrets masked. An id that nobody configured is left out: in a file
// it would become the id of every process that reads the file.
func (c Config) YAML() ([]byte, error) {
	values := make(map[string]any)
	for _, k := range keysOf(reflect.ValueOf(c), "") {
		if k.Path == "id" && c.randomID {
			continue
		}
		switch v := k.Default.(type) {
		case time.Duration:
			values[k.Path] = v.String()
		case string:
			if k.Secret && v != "" {
				v = masked
			}
			values[k.Path] = v
		default:
			values[k.Path] = v
		}
	}
	return yaml.Parser().Marshal(maps.Unflatten(values, "."))
}
