package store

import "errors"

// ErrExpelled says that this node may not act for accounts any more: others have taken them.
var ErrExpelled = errors.New("this node was expelled: its lease was over and others took its accounts")
