// Package account pairs WhatsApp numbers with workspaces and looks after their
// connections.
//
// The Service is the one who is told what the connector sees. It keeps three
// things true:
//
//   - The state in storage is what the connector proved last. At start, before
//     anything is proven, accounts are connecting; when the server stops they are
//     disconnected.
//   - What storage could not take is written again until it does, and the state
//     held in memory is right meanwhile.
//   - An account that becomes active wakes its lane of the outbox, after the
//     state is known here.
//   - Until when WhatsApp restricts an account is stored before anybody acts on
//     it, so a restart honours it.
//
// The states of an account and how each is left:
//
//	(no account)  --pair-->            connecting
//	connecting    --login-->           active
//	              --unreachable-->     disconnected
//	active        --lost, stalled-->   disconnected
//	disconnected  --by itself-->       active
//	any           --unlinked-->        logged_out    --pair--> connecting
//	any           --402-->             banned        --its end, by itself--> active
//	any           --405-->             outdated      --another version, or by itself--> active
//
// A number without a session is unpaired: there is no account, or one that is
// logged out. Nothing runs for it. A pairing that goes on belongs to no account
// until the phone has linked it, and is bounded in time and number. Beside its
// state an account can be limited to people whom it knows; see tideline.Hold.
//
// Pacing, retries of messages and credits are none of its business.
package account
