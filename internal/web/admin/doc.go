// Package admin is the pages that set a workspace up: its team, API tokens,
// settings and audit log. The rules are those of the rooms team, workspace and
// auth; a page only hides what its reader may not do.
package admin
