package snapshot

// WriteAtMost is Write with another limit than MaxSize.
var WriteAtMost = write

// ClaimWith is Claim with a replacement of os.Rename.
var ClaimWith = claim

// Decode is Read without the file, which would slow down the fuzzer.
var Decode = decode
