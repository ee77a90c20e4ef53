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

// composeFile is the part of docker-compose.yml that the documents describe.
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

var (
	address = regexp.MustCompile(`127\.0\.0\.1:(\d+)`)
	part    = regexp.MustCompile(`\b(nsqlookupd|nsqd|apiserver)\d`) // a service of docker-compose.yml
)

// stackReadme is the path of the document that describes docker-compose.yml.
const stackReadme = "services/rollcall/README.md"

func TestReadmeLength(t *testing.T) {
	if lines := strings.Count(string(fixture.File(t, "README.md")), "\n"); lines > 250 {
		t.Errorf("README.md has %d lines, want at most 250", lines)
	}
}

func TestReadmeAndComposeFileAgree(t *testing.T) {
	compose, readme := mustCompose(t), string(fixture.File(t, stackReadme))

	t.Run("each published port has a row", func(t *testing.T) {
		var published []string
		for name, s := range compose.Services {
			for _, p := range s.Ports {
				host := strings.Split(p, ":")
				if len(host) != 3 || host[0] != "127.0.0.1" {
					t.Fatalf("%s publishes %s, want 127.0.0.1:PORT:PORT", name, p)
				}
				published = append(published, host[1])
				if row := "`" + name + "` | http://127.0.0.1:" + host[1] + " |"; !strings.Contains(readme, row) {
					t.Errorf("%s has no row %q", stackReadme, row)
				}
			}
		}
		for _, a := range address.FindAllStringSubmatch(readme, -1) {
			if !slices.Contains(published, a[1]) {
				t.Errorf("%s names port %s, which no service publishes", stackReadme, a[1])
			}
		}
	})
	t.Run("each service is named", func(t *testing.T) {
		for name := range compose.Services {
			if !strings.Contains(readme, "`"+name+"`") {
				t.Errorf("%s does not name %s", stackReadme, name)
			}
		}
		for _, name := range part.FindAllString(readme, -1) {
			if _, ok := compose.Services[name]; !ok {
				t.Errorf("%s names %s, which is not a service", stackReadme, name)
			}
		}
	})
	t.Run("each environment variable is a key", func(t *testing.T) {
		var keys []string
		for _, k := range config.Keys() {
			keys = append(keys, k.Env())
		}
		for name, s := range compose.Services {
			for key := range s.Environment {
				if strings.HasPrefix(key, "ROLLCALL_") && !slices.Contains(keys, key) {
					t.Errorf("%s sets %s, which is not a key", name, key)
				}
			}
		}
	})
	t.Run("each image has an exact version", func(t *testing.T) {
		for name, s := range compose.Services {
			if !regexp.MustCompile(`^(rollcall:dev|[a-z/]+:v?\d+\.\d+\.\d+)$`).MatchString(s.Image) {
				t.Errorf("%s has the image %q", name, s.Image)
			}
		}
	})
}

func TestDocsEnvironmentVariablesAreKeys(t *testing.T) {
	known := []string{"ROLLCALL_API"} // ROLLCALL_API is no key of the configuration: the commands that query an API server read it
	for _, k := range config.Keys() {
		known = append(known, k.Env())
	}
	for name, text := range mustDocuments(t) {
		for _, key := range regexp.MustCompile(`\bROLLCALL_[A-Z_]+`).FindAllString(text, -1) {
			if name != "CHANGELOG.md" && !slices.Contains(known, key) {
				t.Errorf("%s names %s, which is not a key", name, key)
			}
		}
	}
}

func TestDocsYAMLIsValid(t *testing.T) {
	pieces := 0
	for name, text := range mustDocuments(t) {
		for _, piece := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(text, -1) {
			pieces++
			if err := yaml.Unmarshal([]byte(piece[1]), new(map[string]any)); err != nil {
				t.Errorf("%s: %v in\n%s", name, err, piece[1])
			}
		}
	}
	if pieces < 3 {
		t.Errorf("found %d pieces of YAML, want that of the proxy, of Compose and of Kubernetes at least", pieces)
	}
}

func TestReadmeListsEveryVerb(t *testing.T) {
	readme := string(fixture.File(t, stackReadme))
	for _, verb := range mustVerbs(t) {
		if verb != "help" && verb != "completion" && verb != "rollcall" && !strings.Contains(readme, "| `rollcall "+verb) {
			t.Errorf("%s has no row for rollcall %s", stackReadme, verb)
		}
	}
}
