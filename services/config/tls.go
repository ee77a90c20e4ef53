package config

import (
	"crypto/tls"
	"fmt"
)

// bothOrNeither returns an error if only one of section.cert and section.key is set.
func bothOrNeither(section, cert, key string) error {
	if (cert == "") != (key == "") {
		return fmt.Errorf("%[1]s.cert and %[1]s.key: want both or neither", section)
	}
	return nil
}

// readPair reads the files of section.cert and section.key.
func readPair(section, cert, key string) ([]tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%[1]s.cert and %[1]s.key: %[2]w", section, err)
	}
	return []tls.Certificate{pair}, nil
}
