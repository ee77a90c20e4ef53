package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// checkTimeout is the time limit of the command healthcheck. It is shorter than the usual interval of health checks.
const checkTimeout = 3 * time.Second

func newHealthcheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "healthcheck [URL]",
		Short: "Exit with 0 if the API server is ready, or if URL responds with a 2xx status",
		Args:  between(0, 1, "at most one URL"),
	}
	connect := addClient(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx, cancel := context.WithTimeout(cmd.Context(), checkTimeout)
		defer cancel()
		if len(args) == 1 {
			return checkURL(ctx, args[0])
		}
		client, err := connect()
		if err != nil {
			return err
		}
		return explain(client.Ready(ctx))
	}
	return cmd
}

func checkURL(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return usageError{err}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s responds %s", url, resp.Status)
	}
	return nil
}
