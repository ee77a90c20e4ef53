package balancer

// KeyOf makes a key for Pick of a string: a session, a user, a path. It is FNV-1a of 64 bits with the
// finalizer below, the same in every process and version, so that several API servers that know
// the same servers send a key to the same one. It allocates nothing.
func KeyOf(s string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * prime
	}
	return mix(h)
}

// mix is a bijection after which each bit depends on every bit before: the finalizer of SplitMix64,
// Stafford's variant 13. FNV alone leaves the upper bits of short strings much alike.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
