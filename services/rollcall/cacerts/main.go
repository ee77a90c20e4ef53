// Command cacerts prints the certificate authorities that Mozilla trusts, as PEM, for an image that is built from scratch.
//
// cacerts leaves out an authority that Mozilla trusts only for certificates up to some day, because a PEM file cannot contain the day.
package main

import (
	"encoding/pem"
	"log"
	"os"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

func main() {
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		if err := pem.Encode(os.Stdout, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			log.Fatal(err)
		}
	}
}
