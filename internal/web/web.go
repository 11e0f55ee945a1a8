// Package web is the team's pages: the inbox that a business works in all day,
// and what sets the place up. Each section is a package below this one; ui is
// what they are made with.
package web

import (
	"net/http"

	"github.com/tidelinehq/tideline/internal/web/ui"
)

// New makes the handler of all pages. Mount it where nothing else answers.
func New(kit *ui.Kit, sections ...ui.Section) (http.Handler, error) {
	return kit.Handler(sections...)
}
