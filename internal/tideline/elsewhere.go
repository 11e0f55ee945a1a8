package tideline

// ErrElsewhere says that an account is not held by the node that was asked: ask the
// one that holds it. People see it only when nobody holds the account for a moment,
// as while it changes hands.
var ErrElsewhere = Errorf(CodeConflict, "the number is just being taken over by another server; try again in a few seconds")
