// Package snapshot keeps the content of the registry in a file, so that it survives a restart.
//
//	registry ── the membership changed ──▶ Writer ── at most once a second ──▶ roll.json.tmp-123     (and every 30 s)
//	    ▲                                                                         │ fsync, rename
//	    └── registry.Config.Restore ◀── Read ◀───────────────────────────────── roll.json
//
// The file is one JSON object, a registry.Snapshot. A reader sees either the whole old file or the whole new file, even if
// the process or the machine stops during a write. A file that is incomplete or invalid is not used: the registry starts
// empty, and heartbeats fill it within an interval.
//
// If the path is a symbolic link, a write replaces the target of the link, and the link stays. Call Claim before a Writer
// runs: Claim locks roll.json.lock against other processes, and checks that the file can be replaced.
package snapshot
