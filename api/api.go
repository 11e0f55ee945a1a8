// Package api is the contract of the HTTP API: openapi.yaml, which the server's
// models and routes are generated from, its answers are tested against and its
// reference page shows.
package api

import _ "embed"

//go:generate go tool -modfile=../tools/go.mod oapi-codegen -config oapi-codegen.yaml openapi.yaml

//go:embed openapi.yaml
var document []byte

// OpenAPI gives the contract as YAML, OpenAPI 3.0.3. The caller may change the
// copy.
func OpenAPI() []byte { return append([]byte(nil), document...) }
