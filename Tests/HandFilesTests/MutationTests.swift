import SeededRandom
import Testing

@testable import HandFiles
@testable import HandModel

/// Random damage to a text: what fingers, editors and bad copies do, and what a hostile author would.
struct Mutator {
  var generator: SeededGenerator
  private static let tokens = [
    ":", "- ", "[", "]", "{", "}", "\"", "'", "#", "&a ", "*a", "!!int ", "<<: ", "? ", "| ", "> ", "%", "@",
    "\t",
    "\n", "\r", "\u{2028}", "\u{FEFF}", "\u{E061}", "\0", ".nan", "-.inf", "1e999", "-0", "0x",
    "0x7fffffffffffffff",
    "99999999999999999999", "null", "~", "true", "é", "🖐", "\\u0000", "---", "...", "name", "name: a\n",
  ]

  mutating func mutate(_ text: String) -> String {
    var scalars = Array(text.unicodeScalars)
    for _ in 0..<Int.random(in: 1...4, using: &generator) {
      let place = Int.random(in: 0..<max(1, scalars.count), using: &generator)
      let length = min(Int.random(in: 0...20, using: &generator), scalars.count - place)
      switch Int.random(in: 0..<5, using: &generator) {
      case 0: scalars.removeSubrange(place..<place + length)
      case 1:
        let token = Self.tokens.randomElement(using: &generator) ?? ""
        scalars.insert(contentsOf: token.unicodeScalars, at: place)
      case 2:
        let token = Self.tokens.randomElement(using: &generator) ?? ""
        scalars.replaceSubrange(place..<place + length, with: token.unicodeScalars)
      case 3: scalars.insert(contentsOf: Array(scalars[place..<place + length]), at: place)
      default: mutateLine(&scalars, near: place)
      }
    }
    var view = String.UnicodeScalarView()
    view.append(contentsOf: scalars)
    return String(view)
  }

  /// Repeats, drops or indents the line around `place`.
  private mutating func mutateLine(_ scalars: inout [Unicode.Scalar], near place: Int) {
    let start = scalars[..<place].lastIndex(of: "\n").map { $0 + 1 } ?? 0
    let end = scalars[place...].firstIndex(of: "\n").map { $0 + 1 } ?? scalars.count
    switch Int.random(in: 0..<3, using: &generator) {
    case 0: scalars.insert(contentsOf: Array(scalars[start..<end]), at: end)
    case 1: scalars.removeSubrange(start..<end)
    default: scalars.insert(contentsOf: "  ".unicodeScalars, at: start)
    }
  }
}

@Suite("Damaged files")
struct MutationTests {
  /// Enough that each kind of damage meets each kind of line; about two seconds in a debug build.
  private static let rounds = 400

  private func check(_ errors: [ConfigurationError], lines: Int, seed: UInt64, round: Int) {
    for error in errors {
      // A YAML error at the end of a file may name the line after its last.
      let isPlaced = (1...lines + 1).contains(error.line) && error.column >= 1
      #expect(isPlaced && !error.expected.isEmpty, "seed \(seed), round \(round): \(error)")
      #expect(!error.description.contains("\n"), "seed \(seed), round \(round): \(error)")
    }
  }

  @Test("a damaged board file gives a valid board or placed errors, never a crash")
  func boards() throws {
    let seed = UInt64.random(in: 0 ... .max)
    print("seed of damaged boards: \(seed)")
    var mutator = Mutator(generator: SeededGenerator(seed: seed))
    let text = try ShippedFiles.text("Boards/sim.yaml")
    var refused = 0
    for round in 0..<Self.rounds {
      let damaged = mutator.mutate(text)
      do throws(ConfigurationErrors) {
        let board = try Board(yaml: damaged, file: "board.yaml")
        #expect((1...16).contains(board.joints.count), "seed \(seed), round \(round)")
        #expect(board.joints.allSatisfy { board.encoders.indices.contains($0.encoder) })
        #expect(1_000_000_000 % board.control.rateHertz == 0)
      } catch {
        refused += 1
        #expect(!error.errors.isEmpty, "seed \(seed), round \(round)")
        check(error.errors, lines: Self.lines(damaged), seed: seed, round: round)
      }
    }
    #expect(refused > Self.rounds / 4, "the damage is too gentle to test anything")
  }

  @Test("a damaged calibration gives a valid one or placed errors, never a crash")
  func calibrations() throws {
    let seed = UInt64.random(in: 0 ... .max)
    print("seed of damaged calibrations: \(seed)")
    var mutator = Mutator(generator: SeededGenerator(seed: seed))
    let board = try ShippedFiles.board()
    let text = try ShippedFiles.text("Calibration/nominal-hand.yaml")
    var refused = 0
    for round in 0..<Self.rounds {
      let damaged = mutator.mutate(text)
      do throws(ConfigurationErrors) {
        let calibration = try Calibration(yaml: damaged, file: "hand.yaml", board: board)
        #expect(calibration.joints.map(\.name) == board.joints.map(\.name), "seed \(seed), round \(round)")
        for pose in calibration.poses {
          #expect(
            pose.radians.count == 15 && pose.radians.allSatisfy(\.isFinite), "seed \(seed), round \(round)")
        }
      } catch {
        refused += 1
        #expect(!error.errors.isEmpty, "seed \(seed), round \(round)")
        check(error.errors, lines: Self.lines(damaged), seed: seed, round: round)
      }
    }
    #expect(refused > Self.rounds / 4, "the damage is too gentle to test anything")
  }

  /// Lines as YAML counts them: a carriage return, a next-line and a line separator break a line as well.
  private static func lines(_ text: String) -> Int {
    text.count(where: \.isNewline) + 1
  }
}
