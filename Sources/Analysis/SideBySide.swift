import Foundation

/// How much of the same work was done in what time.
package struct BenchRun: Codable, Sendable {
  /// Ticks, or events.
  package var count: UInt64
  package var seconds: Double
  /// Bytes passed to write calls for each; nil where that is not what is measured.
  package var bytesEach: Double?
  /// Ticks or events a second.
  package var perSecond: Double { Double(count) / seconds }

  package init(count: UInt64, seconds: Double, bytesEach: Double? = nil) {
    self.count = count
    self.seconds = seconds
    self.bytesEach = bytesEach
  }
}

/// Why a bench measured nothing.
package enum BenchError: Error, CustomStringConvertible {
  /// The bench was interrupted.
  case cancelled
  /// Our side did not do all of the work.
  case incomplete(String)
  /// Something took longer than the bench waits for it.
  case timedOut(what: String, seconds: Double)
  /// A scratch directory could not be made at `path`.
  case directory(path: String, reason: String)
  /// A program is missing that the Debian package installs.
  case notInstalled(program: String, package: String)
  /// A program that the bench started failed.
  case program(name: String, status: Int32, output: String)
  /// A side did no work, or took no time.
  case noRatio(ours: BenchRun, peer: BenchRun)

  package var description: String {
    switch self {
    case .cancelled: "interrupted"
    case .incomplete(let what): "the bench lost work: \(what)"
    case .timedOut(let what, let seconds): "\(what) took over \(seconds) s"
    case .directory(let path, let reason): "\(path): \(reason); give a directory that this user may write"
    case .notInstalled(let program, let package): "\(program) is not installed: apt-get install \(package)"
    case .program(let name, let status, let output): "\(name) ended with \(status): \(output)"
    case .noRatio(let ours, let peer):
      "no ratio: \(ours.count) in \(ours.seconds) s against the C program's \(peer.count) in \(peer.seconds) s"
    }
  }
}

/// A part of ours and a plain C program at the same work, in turn, so that the noise of a shared machine
/// falls on both alike.
package struct SideBySide: Codable, Sendable {
  /// Long compared with a start, short compared with other activity of the machine.
  private static let secondsPerRound = 2.0

  /// Our runs, one a round.
  package var ours: [BenchRun] = []
  /// Empty where there was no C program.
  package var peer: [BenchRun] = []
  /// Our median over the rounds, ticks or events a second.
  package var oursPerSecond = 0.0
  /// The C program's median over the rounds; nil where there was none.
  package var peerPerSecond: Double?
  /// The median over the rounds of ours over the C program's; above 1 is faster than it.
  package var ratio: Double?
  /// Why there was no C program.
  package var noPeer: String?
  /// Of the publisher: ticks in blocks from the disk to a consumer's store; nil of other benches.
  package var upload: BenchRun?
  /// Of the recorder: in each mode at the rate of the hand; nil of other benches.
  package var paced: [RecorderPace]?

  /// Runs ours for `seconds` in all, the C program for as much work.
  /// - Parameters:
  ///   - ours: works for so many seconds.
  ///   - peer: does so much work, or why it cannot.
  package init(
    seconds: Double, ours: (_ seconds: Double) throws -> BenchRun,
    peer: Result<(_ count: UInt64) throws -> BenchRun, NoPeer>
  ) throws {
    let rounds = max(Int(seconds / Self.secondsPerRound), 1)
    for _ in 0..<rounds {
      let run = try ours(seconds / Double(rounds))
      self.ours.append(run)
      switch peer {
      case .success(let peer): self.peer.append(try peer(run.count))
      case .failure(let reason): noPeer = reason.description
      }
    }
    oursPerSecond = Self.median(self.ours.map(\.perSecond))
    let pairs = Array(zip(self.ours, self.peer))
    guard !pairs.isEmpty else { return }
    let ratios = pairs.map { $0.perSecond / $1.perSecond }
    for (index, ratio) in ratios.enumerated() where !(ratio.isFinite && ratio > 0) {
      throw BenchError.noRatio(ours: pairs[index].0, peer: pairs[index].1)
    }
    peerPerSecond = Self.median(self.peer.map(\.perSecond))
    ratio = Self.median(ratios)
  }

  /// The middle value, or the mean of the two middle ones; NaN of none.
  package static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard let upper = sorted.dropFirst(sorted.count / 2).first else { return .nan }
    return sorted.count.isMultiple(of: 2) ? (sorted[sorted.count / 2 - 1] + upper) / 2 : upper
  }
}
