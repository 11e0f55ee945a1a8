// Package backup writes and reads backups, and copies rows from one database to
// another.
//
// A backup is one tar file, without compression of its own:
//
//	backup.json           the Header: what it is a backup of, and its tables
//	rows/TABLE/000000…    rows, see below
//	files/KEY             the bytes of files, by their blob key
//	folder/NAME           files of the data folder, such as the settings
//	parts.json            all parts before it, in order, with their SHA-256
//
// The list is the last part, so a file that was cut short is known to be no
// backup. A part of rows is gzip around one JSON array per row and line, in the
// order of the table's columns and of its key: an integer is a number, a text a
// string, bytes a string in base64, NULL is null, and a text that is no UTF-8 is
// {"base64": "…"}. The form is the same whichever database the rows come from, so
// each can take those of the other.
//
// Reading trusts nothing: names that lead elsewhere, links, parts in another order
// and parts that are larger than they may be are refused.
package backup
