// Package workspace is what an operator may do to workspaces, members and
// plans: the rules that a change must keep, between the commands and storage.
//
// A workspace has exactly one owner, from its creation on. Plans bound what a
// workspace may be set to; what a plan lacks is plan_feature_unavailable.
package workspace
