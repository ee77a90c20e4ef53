// Package app wires the parts of rollcall into what runs: an API server, a sample data server, and the demo. It is
// what `package main` calls and what a program or a test embeds:
//
//	server, err := app.ListenAPIServer(cfg, log)
//	...
//	err = server.Run(ctx) // until ctx ends
//
// README.md in this folder is for users.
package app
