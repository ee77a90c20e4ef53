// Package app wires the packages of rollcall into an API server and a sample data server. The rollcall command runs them, and a program can
// embed them:
//
//	server, err := app.ListenAPIServer(cfg, log)
//	...
//	err = server.Run(ctx) // until ctx ends
//
// README.md in this folder is for operators: how to run API servers, and every configuration key.
package app
