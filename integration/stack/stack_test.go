package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/integration/harness"
)

// stack runs docker-compose.yml under names and ports of its own, so that another stack can run beside it.
type stack struct {
	tb          testing.TB
	spec        stackSpec
	apis        []*harness.API
	events      *harness.EventLog // events that nsq_tail prints
	tail        *harness.Process
	eventOutput *harness.Output // output of the command docker events
}

// stackSpec is what the child process needs to tear the stack down.
type stackSpec struct {
	Compose []string // the command and its first arguments
	Project string
	Dir     string // folder of docker-compose.yml
}

// commandTimeout limits one docker command. The build of the image takes longest.
const commandTimeout = 8 * time.Minute

// newStack prepares a stack and builds its image. It skips the test if no Docker Engine responds.
func newStack(tb testing.TB) *stack {
	tb.Helper()
	spec := stackSpec{Compose: mustDocker(tb), Project: fmt.Sprintf("rollcall-test-%d", os.Getpid()), Dir: tb.TempDir()}
	s := &stack{tb: tb, spec: spec, eventOutput: harness.NewOutput()}
	copyTree(tb, fixture.Root(tb), spec.Dir)
	s.isolate()
	s.tearDownAtEnd()
	begun := time.Now()
	s.compose("build")
	tb.Logf("image built in %v", time.Since(begun).Round(time.Second))
	return s
}

// mustDocker returns the command that runs Compose: docker compose or docker-compose.
func mustDocker(tb testing.TB) []string {
	tb.Helper()
	works := func(command ...string) error {
		ctx, cancel := context.WithTimeout(tb.Context(), 20*time.Second)
		defer cancel()
		out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, out)
		}
		return nil
	}
	if err := works("docker", "version"); err != nil {
		tb.Skipf("no Docker Engine responds: %v", err)
	}
	if works("docker", "compose", "version") == nil {
		return []string{"docker", "compose"}
	}
	if err := works("docker-compose", "version"); err != nil {
		tb.Skipf("there is neither docker compose nor %v", err)
	}
	return []string{"docker-compose"}
}

// copyTree copies the repository and adds vendor/, so that the image is built without a network.
func copyTree(tb testing.TB, root, dir string) {
	tb.Helper()
	fixture.Must(tb, os.CopyFS(dir, os.DirFS(root)))
	cmd := exec.Command("go", "mod", "vendor")
	cmd.Dir = dir
	finish(tb, cmd)
}

var (
	published = regexp.MustCompile(`"127\.0\.0\.1:\d+:(\d+)"`)
	ownImage  = regexp.MustCompile(`image: rollcall:\S+`)
	building  = regexp.MustCompile(`FROM .* AS build\n`)
)

// isolate gives the copied docker-compose.yml free ports and an image name of its own.
func (s *stack) isolate() {
	s.tb.Helper()
	s.edit("docker-compose.yml", published, func(port []byte) []byte {
		return published.ReplaceAll(port, []byte(`"`+fixture.FreeAddr(s.tb)+`:$1"`))
	})
	s.edit("docker-compose.yml", ownImage, func([]byte) []byte { return []byte("image: " + s.spec.image()) })
	s.edit("Dockerfile", building, func(from []byte) []byte { return []byte(string(from) + "LABEL " + leftover + "=\n") })
}

// edit changes a file of the copied repository: it replaces each match of the regular expression place by the result of the function
// change.
func (s *stack) edit(name string, place *regexp.Regexp, change func([]byte) []byte) {
	s.tb.Helper()
	file := filepath.Join(s.spec.Dir, name)
	body, err := os.ReadFile(file)
	fixture.Must(s.tb, err)
	if !place.Match(body) {
		s.tb.Fatalf("%s has no %s", name, place)
	}
	fixture.Must(s.tb, os.WriteFile(file, place.ReplaceAllFunc(body, change), 0o644))
}

// leftover is the label of images that the builder leaves behind.
const leftover = "rollcall.test"

func (s stackSpec) image() string { return "rollcall:" + s.Project }

func (s stackSpec) tail() string { return s.Project + "-tail" }

func (s stackSpec) network() string { return s.Project + "_default" }

// tearDownAtEnd starts a child that tears the stack down when the test ends, even if the test ends by its timeout.
func (s *stack) tearDownAtEnd() {
	s.tb.Helper()
	cmd := harness.ChildCommand(s.tb, "stack", s.spec)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C must end the test and not the child
	in, err := cmd.StdinPipe()
	fixture.Must(s.tb, err)
	fixture.Must(s.tb, cmd.Start())
	s.tb.Cleanup(func() {
		if s.tb.Failed() {
			logs, _ := s.spec.command("logs", "--no-color", "--tail=40").CombinedOutput()
			s.tb.Logf("logs of the stack:\n%s", logs)
		}
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			s.tb.Errorf("the stack was not torn down: %v", err)
		}
	})
}

// startChildStack starts nothing. The stop function that it returns tears the stack down.
func startChildStack(spec stackSpec) (string, func() error, error) {
	return "", func() error {
		_ = exec.Command("docker", "rm", "--force", spec.tail()).Run() // fails if the container was not started
		out, err := spec.command("down", "--volumes", "--remove-orphans", "--timeout=5").CombinedOutput()
		if err != nil {
			return fmt.Errorf("down: %w: %s", err, out)
		}
		_ = exec.Command("docker", "image", "rm", spec.image()).Run() // fails if the image was not built
		return exec.Command("docker", "image", "prune", "--force", "--filter", "label="+leftover).Run()
	}, nil
}

func (s stackSpec) command(args ...string) *exec.Cmd {
	args = append(append(s.Compose[1:len(s.Compose):len(s.Compose)], "--file", "docker-compose.yml", "--project-name", s.Project), args...)
	cmd := exec.Command(s.Compose[0], args...)
	cmd.Dir = s.Dir
	return cmd
}

func (s *stack) compose(args ...string) {
	s.tb.Helper()
	finish(s.tb, s.spec.command(args...))
}

// docker runs a docker command and returns its output.
func (s *stack) docker(args ...string) string {
	s.tb.Helper()
	return finish(s.tb, exec.Command("docker", args...))
}

// finish waits for a command and returns its output. It kills the command after commandTimeout.
func finish(tb testing.TB, cmd *exec.Cmd) string {
	tb.Helper()
	var out, msgs bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &msgs, time.Second
	harness.EndWithParent(cmd)
	fixture.Must(tb, cmd.Start())
	late := time.AfterFunc(commandTimeout, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	if err := cmd.Wait(); err != nil {
		tb.Fatalf("%s: %v\n%s%s", cmd, err, out.String(), msgs.String())
	}
	return out.String()
}

// up starts the stack, and returns how long it took until every container was healthy.
func (s *stack) up() time.Duration {
	s.tb.Helper()
	cmd := exec.Command("docker", "events", "--filter", "label=com.docker.compose.project="+s.spec.Project, "--format", "{{json .}}",
		"--filter", "event=start", "--filter", "event=kill", "--filter", "event=die")
	cmd.Stdout, cmd.Stderr = s.eventOutput, os.Stderr
	harness.StartProcess(s.tb, cmd)

	begun := time.Now()
	s.compose("up", "-d", "--no-build")
	fixture.Eventually(s.tb, time.Minute, "every container is healthy", func() bool {
		fixture.Sleep(100 * time.Millisecond)
		states := strings.Split(strings.TrimSpace(s.containersBy("{{.Status}}")), "\n")
		return !slices.ContainsFunc(states, func(state string) bool { return !strings.Contains(state, "(healthy)") })
	})
	took := time.Since(begun)

	for _, name := range []string{"apiserver1", "apiserver2"} {
		c := s.container(name)
		s.apis = append(s.apis, harness.NewAPI(s.tb, s.hostPort(c, 4180), s.hostPort(c, 8080), func(lines int) string {
			logs, _ := exec.Command("docker", "logs", "--tail", fmt.Sprint(lines), c).CombinedOutput()
			return string(logs)
		}))
	}
	s.startEventLog()
	return took
}

// startEventLog records the events that nsq_tail, from the image of NSQ, prints.
func (s *stack) startEventLog() {
	s.tb.Helper()
	s.events = harness.NewEventLog()
	cmd := exec.Command("docker", "run", "--rm", "--name", s.spec.tail(), "--network", s.spec.network(), "nsqio/nsq:v1.3.0", "/nsq_tail",
		"--lookupd-http-address=nsqlookupd1:4161", "--lookupd-http-address=nsqlookupd2:4161",
		"--consumer-opt=lookupd_poll_interval,1s", "--consumer-opt=output_buffer_timeout,25ms", "--topic="+events.EventTopic, "--channel=test#ephemeral")
	out := harness.NewOutput()
	out.OnLine = func(text string) {
		e, err := events.Decode([]byte(text))
		if err != nil {
			s.tb.Errorf("nsq_tail prints %q: %v", text, err)
			return
		}
		_ = s.events.Record(s.tb.Context(), e)
	}
	cmd.Stdout = out
	s.tail = harness.StartProcess(s.tb, cmd)
}

// containersBy returns a line in the given format for each container of the stack, or of one service.
func (s *stack) containersBy(format string, service ...string) string {
	s.tb.Helper()
	args := []string{"ps", "--all", "--format", format, "--filter", "label=com.docker.compose.project=" + s.spec.Project}
	for _, name := range service {
		args = append(args, "--filter", "label=com.docker.compose.service="+name)
	}
	return s.docker(args...)
}

// containers returns the names of a service's containers, the oldest first.
func (s *stack) containers(service string) []string {
	s.tb.Helper()
	names := strings.Fields(s.containersBy("{{.Names}}", service))
	slices.Reverse(names)
	return names
}

func (s *stack) container(service string) string {
	s.tb.Helper()
	names := s.containers(service)
	if len(names) != 1 {
		s.tb.Fatalf("%s has containers %v, want one", service, names)
	}
	return names[0]
}

// ids returns the ids of data servers, which are their addresses by default.
func (s *stack) ids(containers ...string) []string {
	s.tb.Helper()
	const address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}:9001"
	return strings.Fields(s.docker(append([]string{"inspect", "--format", address}, containers...)...))
}

func (s *stack) hostPort(container string, port int) string {
	s.tb.Helper()
	return strings.TrimSpace(s.docker("port", container, fmt.Sprint(port)))
}

// await waits until Docker reports the given event of a container, and returns it. Events from before the given time do not count.
func (s *stack) await(since time.Time, action, container string) dockerEvent {
	s.tb.Helper()
	var found dockerEvent
	fixture.Eventually(s.tb, 10*time.Second, action+" of "+container, func() bool {
		for _, m := range s.dockerEvents() {
			if m.Action == action && m.Actor.Attributes.Name == container && m.at().After(since) {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

// dockerEvent is a line that the command docker events prints.
type dockerEvent struct {
	Action   string
	TimeNano int64
	Actor    struct {
		Attributes struct {
			Name     string
			ExitCode string
		}
	}
}

func (m dockerEvent) at() time.Time { return time.Unix(0, m.TimeNano) }

func (s *stack) dockerEvents() []dockerEvent {
	var all []dockerEvent
	for text := range strings.Lines(s.eventOutput.Text()) {
		var m dockerEvent
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			s.tb.Errorf("docker events prints %q: %v", text, err)
		}
		all = append(all, m)
	}
	return all
}

// withTB returns a copy of the stack that reports to tb, for a sub-test.
func (s *stack) withTB(tb testing.TB) *stack {
	on := *s
	on.tb = tb
	return &on
}
