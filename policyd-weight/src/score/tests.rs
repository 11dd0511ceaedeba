//! The steps of the score, each with facts and without DNS.
