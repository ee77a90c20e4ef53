package snapshot

// WriteAtMost is Write with a parameter in the place of MaxSize.
var WriteAtMost = write

// ClaimWith is Claim with a replacement of os.Rename.
var ClaimWith = claim

// Decode decodes the content of a file. FuzzRead calls it instead of Read, because access to files would make fuzzing slow.
var Decode = decode
