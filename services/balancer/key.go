package balancer

// KeyOf returns a key for Pick that depends only on the string s, such as the id of a session, the name of a user, or a path. The result is
// the same in every process and version, so that API servers with the same membership send equal strings to the same server. KeyOf does not
// allocate.
func KeyOf(s string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a, 64 bits
	h := uint64(offset)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * prime
	}
	return mix(h) // FNV alone leaves the upper bits of short strings similar
}

// mix is a bijection in which each bit of the result depends on every bit of x: the finalizer of SplitMix64 (Stafford's variant 13).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
