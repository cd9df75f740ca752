// Package conformance holds the project to the clauses of RFC 8762 and RFC
// 8972. clauses.txt lists them, each with what was made of it; the tests that
// show a clause name it in a mark, a line of the comment directly above them:
//
//	// RFC 8972 4.4-3
//	// RFC 8762 4.2.1-3, 4.2.1-4, RFC 8972 3-11
//
// A section without an RFC is of the RFC before it on the line. Marks stand
// above a test function, or inside one above the case that shows the clause.
// References to other RFCs may have the same form and are left alone.
//
// The package's test writes deploy/conformance.md (make docs), and fails where
// clauses and marks do not fit together.
package conformance
