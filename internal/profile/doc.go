// Package profile keeps what people see of contacts and groups as WhatsApp has
// it: names, subjects, members, who may write, pictures.
//
// It keeps four things true:
//
//   - What was said to have changed is asked for, also after a crash: the need is
//     stored before WhatsApp is answered.
//   - WhatsApp is asked politely: one chat at a time and account, with a pause
//     between two, and only about groups, and about contacts who wrote. A contact
//     whom the account only writes to is never asked about.
//   - A name that somebody chose stays.
//   - The bytes of a picture that was replaced or removed go.
//
// Names of contacts come with their messages, and with the owner's address book,
// which the connector keeps. Nobody has to be asked for them.
package profile
