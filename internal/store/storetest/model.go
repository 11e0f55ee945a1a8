package storetest

import "testing"

func testModel(t *testing.T, create func(testing.TB) Opener) {}
