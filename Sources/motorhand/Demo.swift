import ArgumentParser
import ControlSocket
import Foundation
import HandModel
import Runtime
import Wire

/// Leads a running hand through a grasp sequence with the live view, and sums up.
struct Demo: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Move a running hand through its grasps, with a live view, and sum up.",
    discussion: "The hand moves. It is disarmed at the end, on Ctrl-C too.")
  @OptionGroup var socket: SocketOptions
  @OptionGroup var angles: AngleOption
  @Option(
    help: "End after this many seconds of the hand's ticks; without it, on Ctrl-C.",
    transform: positive(upTo: longestSeconds))
  var seconds: Double?
  @Option(help: "Poses to move through, in turn.") var poses = ["open", "power", "precision", "pointing"]
  @Option(help: "Duration of each motion and of the rest after it.", transform: duration) var motionSeconds =
    1.0
  @Flag(help: "Print the summary as JSON.") var json = false

  /// So long a machine may be too busy for a command.
  private static let patienceSeconds = 10.0

  func run() throws {
    Interrupt.install()
    let watcher = try socket.connect()
    try watcher.send(ControlServer.watchLine)
    let screen = LiveScreen(socket: socket, isDegrees: angles.degrees, isShown: !json)
    defer { screen.end() }
    var snapshot = try waitFor(watcher, state: "idle")
    let firstTick = snapshot.sequence
    let start = Date()
    try insist(CommandLine(verb: "arm"))
    // However this ends: a reader of the lines that goes, a refused pose, a lost connection.
    var isArmed = true
    defer { if isArmed { _ = try? socket.connect().request(CommandLine(verb: "disarm").json) } }
    var turn = 0
    // By the hand's time, which stands still while the machine does.
    var nextMotion = 0.0
    var refusedSince: Date?
    var failure: String?
    while !Interrupt.isPending {
      let elapsed = Double(snapshot.sequence - firstTick) / Double(snapshot.rateHertz)
      if elapsed >= nextMotion {
        let pose = CommandLine(verb: "pose", pose: poses[turn % poses.count], seconds: motionSeconds)
        refusedSince = try ask(pose, refusedSince: refusedSince, before: screen.end)
        if refusedSince == nil {
          nextMotion += 2 * motionSeconds
          turn += 1
        }
      }
      guard let next = try screen.next(watcher) else { break }
      snapshot = next
      if let fault = snapshot.fault {
        failure = (snapshot.faultText ?? fault) + (snapshot.faultJoint.map { " (\($0))" } ?? "")
        break
      }
      guard let seconds else { continue }
      let remaining = seconds - Double(snapshot.sequence - firstTick) / Double(snapshot.rateHertz)
      if remaining < ControlServer.watchPeriodSeconds {
        Thread.sleep(forTimeInterval: max(remaining, 0))
        break
      }
    }
    screen.end()
    if failure == nil { try insist(CommandLine(verb: "disarm")) }
    isArmed = false
    let last = try socket.snapshot(try socket.connect())
    try report(
      last, ticks: last.sequence - firstTick, elapsed: Date().timeIntervalSince(start), motions: turn)
    if let failure {
      throw Failure("the hand stopped with a fault: \(failure)\(Self.advice(last))", Exit.failure)
    }
  }

  /// What a machine that does not keep time makes of a healthy hand.
  private static func advice(_ snapshot: HandSnapshot) -> String {
    let late = [FaultCode.uncertifiedBudget, .deadlineMisses].map(\.id)
    guard let fault = snapshot.fault, late.contains(fault), snapshot.timekeeping == nil else { return "" }
    return "; this machine did not keep time, as a busy or virtual one: motorhand bench loop measures it"
  }

  private func waitFor(_ client: ControlClient, state: String) throws -> HandSnapshot {
    let deadline = Date().addingTimeInterval(LiveView.silenceSeconds)
    while true {
      let snapshot = try decodeSnapshot(try client.receive(seconds: LiveView.silenceSeconds))
      if snapshot.state == state { return snapshot }
      if Date() > deadline {
        throw Failure(
          "the hand is \(snapshot.state)\(snapshot.faultText.map { ": " + $0 } ?? ""), it must be \(state) first",
          Exit.failure)
      }
    }
  }

  /// A busy machine may not get to a command in time: it is asked for again with the next state, within
  /// `patienceSeconds`. What the hand itself refuses is refused.
  /// - Parameters:
  ///   - refusedSince: of the attempts before; nil = this is the first one.
  ///   - before: done before a refusal is printed.
  /// - Returns: since when it has been refused; nil when it was executed.
  private func ask(
    _ command: CommandLine, refusedSince: Date?, before: () -> Void = {}
  ) throws -> Date? {
    let failure: any Error
    var isBusy = true
    do {
      let line = try socket.connect().request(command.json)
      let reply = try JSONDecoder().decode(Reply.self, from: Data(line.utf8))
      if reply.result == "executed" { return nil }
      isBusy = reply.result == "unconfirmed" || CommandQueue.isBusy(reply.reason ?? "")
      failure = Failure(
        "\(command.verb) \(reply.result): \(reply.reason ?? "no reason given")", Exit.failure)
    } catch let error as SocketError {
      if case .timedOut = error { isBusy = true } else { isBusy = false }
      failure = error
    }
    let since = refusedSince ?? Date()
    guard isBusy, !Interrupt.isPending, -since.timeIntervalSinceNow < Self.patienceSeconds else {
      before()
      throw failure
    }
    return since
  }

  /// Asks until it is executed, or refused for `patienceSeconds`.
  private func insist(_ command: CommandLine) throws {
    var refusedSince: Date?
    while true {
      refusedSince = try ask(command, refusedSince: refusedSince)
      if refusedSince == nil { return }
      Thread.sleep(forTimeInterval: ControlServer.watchPeriodSeconds)
    }
  }

  private func report(_ snapshot: HandSnapshot, ticks: UInt64, elapsed: Double, motions: Int) throws {
    if json {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys]
      return try emit(String(decoding: try encoder.encode(snapshot), as: UTF8.self))
    }
    let recorder = snapshot.recorder
    try emit(
      """
      summary
        ticks        \(ticks) in \(String(format: "%.2f", elapsed)) s at \(snapshot.rateHertz) Hz, \
      \(snapshot.overruns) overruns since start
        timekeeping  \(snapshot.timekeeping?.sentence ?? "by the machine's own clock, as a real hand")
        motions      \(motions), final state \(snapshot.state)
        wake-up      p50 \(snapshot.wakeUps.p50 / 1000) µs, p99 \(snapshot.wakeUps.p99 / 1000) µs, \
      max \(snapshot.wakeUps.max / 1000) µs
        compute      p50 \(snapshot.computes.p50 / 1000) µs, p99 \(snapshot.computes.p99 / 1000) µs, \
      max \(snapshot.computes.max / 1000) µs
        recorder     \(recorder.map { "\($0.recorded) ticks, \($0.dropped) dropped, \($0.path)" } ?? "off")
        MQTT         \(snapshot.publisher.map { "\($0.published) messages to \($0.broker), \($0.dropped) dropped" } ?? "off")
      """)
  }
}
