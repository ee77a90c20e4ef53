package apiserver

import (
	_ "embed"
	"net/http"
)

//go:embed openapi.yaml
var openAPI []byte

// openAPIDocument serves the OpenAPI document of this API, with the media type of RFC 9512.
func openAPIDocument(w http.ResponseWriter, _ *http.Request) error {
	respond(w, http.StatusOK, "application/yaml", openAPI)
	return nil
}
