// Package stages is what happens to a heartbeat: one file, one stage, and their order in stages.go.
package stages
