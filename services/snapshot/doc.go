// Package snapshot keeps the roll in a file, so that a restart forgets nothing.
//
//	registry ── the membership changed ──▶ Writer ── at most once a second ──▶ roll.json.tmp-123     (and every 30 s)
//	    ▲                                                                         │ fsync, rename
//	    └── registry.Config.Restore ◀── Load ◀───────────────────────────────── roll.json
//
// The file is one JSON object, a registry.Saved. Whoever opens it sees the whole of the old one or the whole of the new
// one, whenever this process or the machine ends. A file that is not whole or not valid is not used at all: heartbeats
// bring the roll back within an interval.
//
// A symbolic link stays one: the file that it names is replaced. Claim is called before all of that: it keeps other
// processes away by a lock on roll.json.lock, and finds out whether the file can be replaced at all.
package snapshot
