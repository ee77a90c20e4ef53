package snapshot

// WriteAtMost is Write with another bound than MaxSize.
var WriteAtMost = write

// ClaimWith is Claim with another rename.
var ClaimWith = claim

// Decode is Load without the file, for a fuzzer that has no time for files.
var Decode = decode
