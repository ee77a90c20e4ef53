// Command rollcall runs an API server, a sample data server or a demo, and is a client of the API.
//
// It writes data to standard output, and messages to standard error. The exit code is 0, 1 after a failure, and 2 for invalid usage or
// configuration.
//
// README.md in this folder lists the commands.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"rollcall/services/terminal"
)

func main() {
	// The first signal stops the process in order. It also restores the default effect of signals, so that a second signal ends the process
	// at once.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

const (
	exitFailure = 1
	exitUsage   = 2
)

// usageError is an error of the user, in flags, arguments or configuration. It results in exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// run runs a command until it completes or ctx ends, and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot(stdout, stderr)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(stderr, "rollcall: %s\n", terminal.Escape(strings.TrimSuffix(line, "\n")))
	}
	if usage := (usageError{}); errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailure
}

func newRoot(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:           "rollcall",
		Short:         "Service discovery for teams that run NSQ",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       versionLine(),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return usageError{fmt.Errorf("unknown command %q%s", args[0], suggestion(cmd, args[0]))}
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SuggestionsMinimumDistance = 2 // number of edits up to which cobra suggests a command
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetVersionTemplate("{{.Version}}")
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
	})
	root.AddCommand(
		newDemo(), newAPIServer(), newDataServer(), newLs(), newGet(), newServices(), newPick(), newStatus(), newWatch(),
		newHealthcheck(), newValidate(), newConfig(), newVersion())
	return root
}

func suggestion(cmd *cobra.Command, name string) string {
	names := cmd.SuggestionsFor(name)
	if len(names) == 0 {
		return "; see rollcall --help"
	}
	return fmt.Sprintf(", did you mean %q?", names[0])
}

// between requires least to most arguments. The error says which arguments the command wants.
func between(least, most int, want string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return usageError{fmt.Errorf("arguments %q: want %s", args, want)}
		}
		return nil
	}
}

func noArgs(cmd *cobra.Command, args []string) error { return between(0, 0, "none")(cmd, args) }
