import ArgumentParser
import HandModel
import Wire

// Readers of arguments, for `transform:`. What they refuse ends the command with 64.

/// A path or name. Empty it is an unset variable of a script, and would mean something else to each system
/// call.
@Sendable func nonEmpty(_ text: String) throws -> String {
  guard !text.isEmpty else { throw ValidationError("found '', expected a name") }
  return text
}

/// A number, finite and perhaps negative (`MotorHand.main`).
@Sendable func number(_ text: String) throws -> Double {
  guard let value = Double(text.drop { $0 == " " }), value.isFinite else {
    throw ValidationError("found '\(text)', expected a number")
  }
  return value
}

/// A number above 0 of at most `largest`.
func positive(upTo largest: Double) -> @Sendable (String) throws -> Double {
  { text in
    let value = try number(text)
    guard value > 0, value <= largest else {
      throw ValidationError("found '\(text)', expected a number above 0, at most \(largest)")
    }
    return value
  }
}

/// Duration of a motion, seconds.
@Sendable func duration(_ text: String) throws -> Double {
  let value = try number(text)
  let range = CommandParser.seconds
  guard range.contains(value) else {
    throw ValidationError("found '\(text)', expected \(range.lowerBound) to \(range.upperBound)")
  }
  return value
}

/// A rate of the loop, Hz: within a board's limits (docs/board-file.md), its period whole nanoseconds.
@Sendable func loopRate(_ text: String) throws -> Int {
  let allowed = 10...10_000
  guard let rate = Int(text), allowed.contains(rate), 1_000_000_000 % rate == 0 else {
    throw ValidationError(
      "found '\(text)', expected \(allowed.lowerBound) to \(allowed.upperBound) and a divisor of 1,000,000,000"
    )
  }
  return rate
}

/// The longest run of a command that ends by itself: a year.
let longestSeconds = 31_536_000.0
