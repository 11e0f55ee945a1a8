// Package ui is what all pages are made with: the router that knows who is
// signed in, the frame around a page, templates and assets by section, errors,
// and the base of styles and scripts.
//
// A section is a group of pages, a package beside this one. It brings its
// templates, assets and routes along as a [Section]; package web puts the
// sections together. Rules that hold here, for every section:
//
//   - A handler gets a signed-in member, unless its route is public, and checks
//     in services what that member may do.
//   - What changes something is a POST from our own pages: requests from other
//     origins are refused before a handler sees them.
//   - No page runs a script or applies a style that is not one of our assets.
//   - A page is rendered as a whole before its first byte is sent, so an error is
//     an error page and never half a page.
//   - Every word comes from package text.
package ui
