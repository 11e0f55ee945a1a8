package main

import "github.com/tidelinehq/tideline/internal/config"

// cli is the command line. Every command is a struct with its flags, a Run
// method, and a Help method that says what it does, with an example.
type cli struct {
	config.Common

	Serve serveCmd `cmd:"" help:"Run the server."`
	Wasim wasimCmd `cmd:"" help:"Run an emulated WhatsApp network for other clients."`

	Account   accountCmd   `cmd:"" help:"Pair, list, log out and remove WhatsApp accounts."`
	Token     tokenCmd     `cmd:"" help:"Create, list and revoke API tokens."`
	Workspace workspaceCmd `cmd:"" help:"Create, list, show and change workspaces."`
	Member    memberCmd    `cmd:"" help:"Add, list and remove the people in a workspace."`
	Plan      planCmd      `cmd:"" help:"List and change plans: what a workspace may do."`
	Template  templateCmd  `cmd:"" help:"Add and list attachment templates."`
	Webhook   webhookCmd   `cmd:"" help:"Tell other programs what happens: subscriptions, their log, replay."`

	Send    sendCmd    `cmd:"" help:"Send a message through the running server."`
	Message messageCmd `cmd:"" help:"Look at a message."`
	Chat    chatCmd    `cmd:"" help:"List chats, and read one, through the running server."`
	Queue   queueCmd   `cmd:"" help:"Look at what waits to be sent, pause numbers, cancel messages, send some first."`
	Ledger  ledgerCmd  `cmd:"" help:"Show where a workspace's credits went."`
	Audit   auditCmd   `cmd:"" help:"Show who changed what."`
	Archive archiveCmd `cmd:"" help:"List, show and export messages that were archived before they were deleted."`

	Files   filesCmd   `cmd:"" help:"Look after the place where files are kept, and change it."`
	Migrate migrateCmd `cmd:"" help:"Bring the database up to this program's version."`
	Compact compactCmd `cmd:"" help:"Give space in the database back to the disk."`
	Node    nodeCmd    `cmd:"" help:"Look at the servers that share a PostgreSQL database."`
	Doctor  doctorCmd  `cmd:"" help:"Check an installation, and say what is wrong and what to do."`
	Version versionCmd `cmd:"" help:"Print the version."`

	Backup      backupCmd      `cmd:"" help:"Write all that a server keeps to one file, also while it runs."`
	Restore     restoreCmd     `cmd:"" help:"Make a data folder of a backup, or look whether a backup is whole."`
	MigrateData migrateDataCmd `cmd:"" name:"migrate-data" help:"Move everything from SQLite to PostgreSQL, or back."`

	WhatsAppVersion whatsAppVersionCmd `cmd:"" name:"whatsapp-version" help:"Show or change the WhatsApp version that the running server announces."`
}
