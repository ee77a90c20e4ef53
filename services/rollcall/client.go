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

// addClient adds the flag with the address of the API server. The function that addClient returns creates the client.
func addClient(cmd *cobra.Command) func() (*apiserver.Client, error) {
	byDefault := os.Getenv(config.APIEnv)
	if byDefault == "" {
		byDefault = config.Default().API.Listen
	}
	base := cmd.Flags().String("api", byDefault, "address of the API server; overrides ROLLCALL_API")
	return func() (*apiserver.Client, error) {
		c, err := apiserver.NewClient(*base, nil)
		if err != nil {
			return nil, usageError{fmt.Errorf("--api: %w", err)}
		}
		return c, nil
	}
}

// queryFlags are the flags of the commands that query the API server.
type queryFlags struct {
	newClient func() (*apiserver.Client, error)
	output    output
}

// addQueryFlags adds the flags. The parameter formats lists formats of the output besides text and json.
func addQueryFlags(cmd *cobra.Command, formats ...string) queryFlags {
	return queryFlags{addClient(cmd), addOutput(cmd, formats...)}
}

// parse returns what the flags select: a client, and whether the output is JSON.
func (f queryFlags) parse() (client *apiserver.Client, asJSON bool, err error) {
	if asJSON, err = f.output.isJSON(); err != nil {
		return nil, false, err
	}
	client, err = f.newClient()
	return client, asJSON, err
}

// explain adds a hint to an error of the client, and makes a bad request a usageError.
func explain(err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w\nis an API server running there? See --api and ROLLCALL_API", err)
	}
	if p := (*apiserver.Problem)(nil); errors.As(err, &p) && p.Status == http.StatusBadRequest {
		return usageError{err}
	}
	return err
}
