// Package tools is the pages with what a team works with besides chats: text and
// attachment templates, labels, and webhooks with the log of their deliveries.
//
// Who may do what is decided by the services. The pages show only what a member
// may do, so that nobody is offered a button that refuses.
package tools
