package layout

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"rollcall/integration/fixture"
	"rollcall/services/config"
)

// composeFile is docker-compose.yml, as far as others speak of it.
type composeFile struct {
	Services map[string]struct {
		Image       string
		Ports       []string
		Environment map[string]string
	}
}

func mustCompose(t *testing.T) composeFile {
	t.Helper()
	var c composeFile
	fixture.Must(t, yaml.Unmarshal(fixture.File(t, "docker-compose.yml"), &c))
	if len(c.Services) == 0 {
		t.Fatal("docker-compose.yml has no services")
	}
	return c
}

// mustSection is the part of the README under a heading.
func mustSection(t *testing.T, heading string) string {
	t.Helper()
	_, rest, ok := strings.Cut(string(fixture.File(t, "README.md")), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("README.md has no section %q", heading)
	}
	section, _, _ := strings.Cut(rest, "\n## ")
	return section
}

var (
	address = regexp.MustCompile(`127\.0\.0\.1:(\d+)`)
	part    = regexp.MustCompile(`\b(nsqlookupd|nsqd|apiserver)\d`) // a name that only docker-compose.yml can give
)

func TestReadmeAndComposeFileAgree(t *testing.T) {
	compose, section := mustCompose(t), mustSection(t, "The full stack in containers")

	t.Run("each port", func(t *testing.T) {
		var published []string
		for name, s := range compose.Services {
			for _, p := range s.Ports {
				host := strings.Split(p, ":")
				if len(host) != 3 || host[0] != "127.0.0.1" {
					t.Fatalf("%s publishes %s, want 127.0.0.1:PORT:PORT", name, p)
				}
				published = append(published, host[1])
				if row := "`" + name + "` | http://127.0.0.1:" + host[1] + " |"; !strings.Contains(section, row) {
					t.Errorf("the README has no row %q", row)
				}
			}
		}
		for _, a := range address.FindAllStringSubmatch(section, -1) {
			if !slices.Contains(published, a[1]) {
				t.Errorf("the README speaks of port %s, which nobody publishes", a[1])
			}
		}
	})
	t.Run("each name", func(t *testing.T) {
		for name := range compose.Services {
			if !strings.Contains(section, "`"+name+"`") {
				t.Errorf("the README does not speak of %s", name)
			}
		}
		for _, name := range part.FindAllString(section, -1) {
			if _, ok := compose.Services[name]; !ok {
				t.Errorf("the README speaks of %s, which is no service", name)
			}
		}
	})
	t.Run("each key", func(t *testing.T) {
		var keys []string
		for _, k := range config.Keys() {
			keys = append(keys, k.Env())
		}
		for name, s := range compose.Services {
			for key := range s.Environment {
				if strings.HasPrefix(key, "ROLLCALL_") && !slices.Contains(keys, key) {
					t.Errorf("%s sets %s, which is no key", name, key)
				}
			}
		}
		for _, key := range regexp.MustCompile(`ROLLCALL_[A-Z_]+`).FindAllString(mustSection(t, "Run it")+section, -1) {
			if !slices.Contains(keys, key) {
				t.Errorf("the README speaks of %s, which is no key", key)
			}
		}
	})
	t.Run("each piece of YAML", func(t *testing.T) {
		pieces := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(mustSection(t, "Run it")+section, -1)
		for _, piece := range pieces {
			if err := yaml.Unmarshal([]byte(piece[1]), new(map[string]any)); err != nil {
				t.Errorf("%v in\n%s", err, piece[1])
			}
		}
		if len(pieces) != 2 {
			t.Errorf("there are %d, want the service of one's own and the manifest", len(pieces))
		}
	})
	t.Run("each image is of an exact version", func(t *testing.T) {
		for name, s := range compose.Services {
			if !regexp.MustCompile(`^(rollcall:dev|[a-z/]+:v?\d+\.\d+\.\d+)$`).MatchString(s.Image) {
				t.Errorf("%s is of %q", name, s.Image)
			}
		}
	})
}
