package snapshot

// WriteAtMost is Write with the largest size as a parameter.
var WriteAtMost = write

// ClaimWith is Claim with a parameter that replaces os.Rename.
var ClaimWith = claim

// Decode decodes the content of a file. FuzzRead calls it instead of Read, because access to files would make fuzzing slow.
var Decode = decode
