package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"rollcall/services/apiserver"
	"rollcall/services/config"
)

// addClient gives a command the flag that names the API server, and returns what connects to it.
func addClient(cmd *cobra.Command) func() (*apiserver.Client, error) {
	byDefault := os.Getenv(config.APIEnv)
	if byDefault == "" {
		byDefault = config.Default().API.Listen
	}
	base := cmd.Flags().String("api", byDefault, "address of the API server, or ROLLCALL_API")
	return func() (*apiserver.Client, error) {
		c, err := apiserver.NewClient(*base, nil)
		if err != nil {
			return nil, usageError{fmt.Errorf("--api: %w", err)}
		}
		return c, nil
	}
}

// asked is what the verbs have that ask the API server.
type asked struct {
	connect func() (*apiserver.Client, error)
	output  output
}

func addAsked(cmd *cobra.Command) asked { return asked{addClient(cmd), addOutput(cmd)} }

// read returns what the flags say.
func (a asked) read() (client *apiserver.Client, asJSON bool, err error) {
	if asJSON, err = a.output.isJSON(); err != nil {
		return nil, false, err
	}
	client, err = a.connect()
	return client, asJSON, err
}

// explain adds to an error of the client what to look at, and makes a bad request the caller's mistake.
func explain(err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w\nis an API server running there? See --api and ROLLCALL_API", err)
	}
	if p := (*apiserver.Problem)(nil); errors.As(err, &p) && p.Status == http.StatusBadRequest {
		return usageError{err}
	}
	return err
}
