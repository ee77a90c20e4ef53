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

// Key is one setting of the configuration.
type Key struct {
	Path    string // path in the file and name of the flag, such as nsq.lookupd
	Doc     string
	Default any
	Secret  bool

	value reflect.Value // field of Config
}

// Env returns the environment variable of the key, such as ROLLCALL_NSQ_LOOKUPD.
func (k Key) Env() string { return envPrefix + strings.ToUpper(strings.ReplaceAll(k.Path, ".", "_")) }

// Keys returns all keys in the order of Config.
func Keys() []Key {
	def := Default()
	return keysOf(reflect.ValueOf(def), "")
}

func keysOf(section reflect.Value, prefix string) []Key {
	var keys []Key
	for i := range section.NumField() {
		field := section.Type().Field(i)
		name := field.Tag.Get("koanf")
		if name == "-" { // only programs set this field
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

// AddFlags adds a flag for each key in names. A section in names, such as "nsq", stands for all its keys. The function Read later reads the
// flags that the user gave.
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
	default: // Read parses durations, lists and maps, as it does for the file
		flags.String(k.Path, k.DefaultText(), k.Doc)
	}
}

// DefaultText returns the default in the syntax of an environment variable.
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

// YAML returns the configuration as a file, with secrets masked. It omits a random id, which must not become the id of every process that
// reads the file.
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
