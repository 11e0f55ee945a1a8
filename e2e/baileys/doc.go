// Package baileys points a second, independent WhatsApp client at the emulated network: Baileys, a library
// for Node.js with a protocol, a Signal implementation and a media cipher of its own. What two clients that
// share no code agree on isn't a misunderstanding between the emulator and the one it was made with.
//
// It needs Node.js 20 or later with npm; scripts/setup-test installs them. The first run installs the
// library, pinned by package-lock.json, into node_modules beside this file.
package baileys
