import Foundation
import HandModel
import Realtime
import Recording
import Runtime
import Service
import Simulation
import Synchronization
import Telemetry

/// What the daemon was asked to run.
struct DaemonOptions {
  var boardPath: String
  var calibrationPath: String
  var handID: String
  var socketPath: String
  /// Nil = record nothing.
  var dataDirectory: String?
  /// Bytes that recordings may take; nil = no bound.
  var keepBytes: UInt64?
  /// Nil = publish nothing.
  var broker: PublisherOptions?
  var cpu: Int?
  var requireRealtime: Bool
  /// A simulated board lives by the machine's own clock, on the threads of a real one.
  var strictClock: Bool
  var seed: UInt64
}

/// Composition of a running hand with its recorder, publisher and control socket; no logic of its own.
final class Daemon {
  /// How often the main thread looks at signals and at what there is to report.
  private static let watchMilliseconds = 200
  /// A full disk drops ticks all the time: told at once, then this often.
  private static let dropReportNanoseconds: Int64 = 10_000_000_000

  /// Why the hand stops.
  private enum End {
    case signal(String)
    /// For a service manager only, which tries again and then shows the failed unit; at a bench the hand stays in
    /// its fault to be looked at.
    case selfTest(joint: String?)
  }

  private let options: DaemonOptions
  private let log: DaemonLog
  private let manager: ServiceManager?
  private let identity: HandIdentity
  private let design: HandDesign
  private let parser: CommandParser
  private var degraded: [String] = []

  /// Reads the files and finds the certificates. Throws what `HandFiles` and `HandDesign` throw.
  init(_ options: DaemonOptions, log: DaemonLog, manager: ServiceManager?) throws {
    self.options = options
    self.log = log
    self.manager = manager
    let files = try HandFiles(board: options.boardPath, calibration: options.calibrationPath)
    design = try HandDesign(board: files.board, calibration: files.calibration)
    parser = CommandParser(board: files.board, calibration: files.calibration)
    identity = HandIdentity(
      handID: options.handID, bootID: UUID().uuidString.lowercased(), board: files.board,
      calibration: files.calibration, boardYAML: files.boardYAML, calibrationYAML: files.calibrationYAML,
      version: motorHandVersion, certificateJSON: design.certificateJSON)
  }

  // MARK: - Real time

  /// Runs until SIGTERM or SIGINT. Outputs are off when it returns or throws.
  func run() throws {
    let signals = SignalFence()
    let process = RealtimeProcess()
    degraded = Self.findings(process)
    if options.requireRealtime && !degraded.isEmpty { throw StartError.notRealtime(degraded) }
    for finding in degraded { log.report("degraded: \(finding)", .degraded) }

    let port = CommandPort()
    let queue = CommandQueue(port: port)
    let keeper = BlackBoxKeeper(manager: manager, log: log)
    // The socket's lock comes first: a second daemon must end before it touches a chip or leaves a file.
    let server = try ControlServer(path: options.socketPath, parser: parser, port: port, queue: queue)
    // The clock of a simulated hand stands still while the machine does.
    let clock: any TimeSource =
      identity.board.platform == .simulated && !options.strictClock
      ? VirtualClock(nanoseconds: MonotonicClock().now()) : MonotonicClock()
    var parts = Parts(server: server, keeper: keeper, queue: queue)
    let runtime: HandRuntime
    do {
      runtime = try HandRuntime(
        design: design, seed: options.seed, clock: clock, port: port,
        blackBox: keeper.store(identity))
      parts.runtime = runtime
      try startConsumers(of: runtime, &parts)
      try runtime.start(cpu: options.cpu, requireRealtime: options.requireRealtime)
      do throws(RealtimeThreadError) { try queue.start() } catch {
        throw StartError.thread(name: "commands", error)
      }
      do throws(RealtimeThreadError) {
        try server.start(snapshot: answers(runtime, parts.recorder, parts.publisher))
      } catch { throw StartError.thread(name: "control", error) }
    } catch {
      unwind(parts)
      throw error
    }
    log.report(
      "ready: hand \(identity.handID), board \(identity.board.name), \(identity.board.joints.count) joints, "
        + "\(identity.board.control.rateHertz) Hz, boot \(identity.bootID)", .ready)
    var reporter = ServiceReporter(
      manager, settings: identity.board.control, judgesTime: !(clock is VirtualClock),
      now: MonotonicClock().now())
    let end = watch(runtime, parts, signals, &reporter)
    let cause =
      switch end {
      case .signal(let name): name
      case .selfTest: "self-test failed"
      }
    log.report("stopping: \(cause)", .stopping)
    reporter.stopping(cause)
    let ended = stop(parts)
    summarise(runtime, ended)
    _ = consume process
    if case .selfTest(let joint) = end { throw StartError.selfTest(joint: joint) }
  }

  // MARK: - Start and end

  /// What runs so far.
  private struct Parts {
    var server: ControlServer?
    var keeper: BlackBoxKeeper?
    var queue: CommandQueue
    var runtime: HandRuntime?
    var recorder: Recorder?
    var publisher: Publisher?
  }

  /// What recorder and publisher had done when they ended.
  private struct Ended {
    var recorder: RecorderStatus?
    var publisher: PublisherStatus?
    var saidFarewell: Bool
  }

  private func startConsumers(of runtime: HandRuntime, _ parts: inout Parts) throws {
    // First what may be refused.
    parts.publisher = try makePublisher(runtime, parts.queue)
    parts.recorder = try makeRecorder(runtime)
    try parts.recorder?.start()
    try parts.publisher?.start()
  }

  /// Outputs first; then nobody may command; then what was recorded and published is brought to its end, side by
  /// side within `StopBudget.consumerSeconds`. The black box is given up last, when the recording has all of it.
  private func stop(_ parts: Parts) -> Ended {
    let left = parts.runtime?.stop() ?? []
    if !left.isEmpty {
      log.report(
        "threads that stand still are left behind: \(left.joined(separator: ", ")); the kill line was released without "
          + "them", priority: .error)
    }
    parts.server?.stop()
    parts.recorder?.beginStop()
    parts.publisher?.beginStop()
    parts.queue.stop()
    let saidFarewell = parts.publisher?.stop() ?? true
    let recorder = parts.recorder?.stop()
    if left.isEmpty, recorder?.isComplete ?? true { parts.keeper?.drop() }
    return Ended(recorder: recorder, publisher: parts.publisher?.status, saidFarewell: saidFarewell)
  }

  /// The end of a start that failed half-way: as an orderly stop, and nothing is left that would look like a run.
  private func unwind(_ parts: Parts) {
    _ = stop(parts)
    parts.recorder?.discardIfEmpty()
  }

  /// What the control socket gives as the hand's present state.
  private func answers(
    _ runtime: HandRuntime, _ recorder: Recorder?, _ publisher: Publisher?
  ) -> @Sendable () -> String {
    let identity = identity
    let degraded = degraded
    let log = log
    return {
      var snapshot = HandSnapshot(
        runtime, identity: identity, recorder: recorder.map(Self.snapshot),
        publisher: publisher.map(Self.snapshot), degraded: degraded)
      snapshot.unwrittenMessages = log.unwritten
      return (try? Self.line(snapshot)) ?? #"{"result":"refused","reason":"the state could not be encoded"}"#
    }
  }

  /// Waits for a signal; meanwhile reports to the service manager, and faults and troubles as they come.
  private func watch(
    _ runtime: HandRuntime, _ parts: Parts, _ signals: SignalFence, _ reporter: inout ServiceReporter
  ) -> End {
    let clock = MonotonicClock()
    var fault = FaultCode.none
    var storageFailing = false
    var dropped: UInt64 = 0
    var nextDropReport: Int64 = 0
    var expired = 0
    var ways = WayReports(now: clock.now())
    var isReachable = true
    while true {
      if let name = signals.wait(milliseconds: Self.watchMilliseconds) { return .signal(name) }
      let record = runtime.latestRecord()
      if let broken = reporter.observe(record, wakeUps: runtime.wakeUps, now: clock.now()) {
        log.report("broken invariant: \(broken)", .unsafeOutputs)
      }
      if record.fault != fault {
        fault = record.fault
        reportFault(record)
        if fault == .selfTestFailed && reporter.hasManager { return .selfTest(joint: faultJoint(record)) }
      }
      if let publisher = parts.publisher {
        ways.observe(publisher.status, now: clock.now()) { log.report($0, $1) }
      }
      if isReachable, let loss = parts.server?.loss {
        isReachable = false
        log.report("\(loss); restart this daemon", priority: .error)
      }
      guard let status = parts.recorder?.status else { continue }
      // The last error stays in the status after recovery; whether storage fails now is a field of its own.
      if status.storageFailing != storageFailing {
        storageFailing = status.storageFailing
        log.report(
          storageFailing
            ? "recorder: \(status.lastError ?? "storage fails")"
            : "recorder: storage works again, \(status.segmentPath)",
          storageFailing ? .storageFailing : .storageRecovered)
      }
      let lost = status.droppedByRing + status.droppedByStorage
      if lost > dropped && clock.now() >= nextDropReport {
        nextDropReport = clock.now() + Self.dropReportNanoseconds
        log.report("recorder: \(lost - dropped) ticks dropped, \(lost) since start", .ticksDropped)
        dropped = lost
      }
      if status.expiredSegments > expired {
        log.report(
          "recorder: \(status.expiredSegments - expired) of the oldest segments deleted to make room",
          .segmentsExpired)
        expired = status.expiredSegments
      }
    }
  }

  /// What mends a fault that a reset alone may not.
  private func advice(_ fault: FaultCode, joint: Int) -> String {
    let board = identity.board
    guard fault == .busFault, board.platform == .linux, joint < board.joints.count else { return "" }
    let bus = board.buses[board.encoders[board.joints[joint].encoder].bus].name
    return "; if bus \(bus) stays so, stop the daemon and run motorhand recover \(options.boardPath) \(bus)"
  }

  private static func reaction(_ record: TickRecord) -> String {
    guard record.outputsEnabled else { return "outputs off" }
    return switch record.fault.reaction {
    case .limp: "outputs on"
    case .hold: "holding still until a reset or disarm"
    case .brake: "braking, then outputs off"
    }
  }

  private func faultJoint(_ record: TickRecord) -> String? {
    let number = Int(record.faultJoint)
    return number < identity.board.joints.count ? identity.board.joints[number].name : nil
  }

  private func reportFault(_ record: TickRecord) {
    let fault = record.fault
    let joint = faultJoint(record)
    let tick = DaemonLog.Tick(
      bootID: identity.bootID, sequence: record.sequence, fault: fault, joint: joint)
    if let message = JournalMessage(fault) {
      log.report(
        "\(record.state.name): \(fault.name)\(joint.map { ", joint " + $0 } ?? ""), "
          + "seen at tick \(record.sequence); \(Self.reaction(record))"
          + advice(fault, joint: Int(record.faultJoint)),
        message, tick: tick)
    } else {
      log.report("fault cleared, state \(record.state.name)", .faultCleared, tick: tick)
    }
  }

  private func summarise(_ runtime: HandRuntime, _ ended: Ended) {
    let record = runtime.latestRecord()
    log.report(
      "stopped: \(record.sequence + 1) ticks, \(record.overruns) overruns, outputs off, last state "
        + record.state.name
        + (record.fault == .none
          ? "" : " (\(record.fault.name)\(faultJoint(record).map { ", joint " + $0 } ?? ""))"),
      .stopped)
    if let timekeeping = runtime.latestTimekeeping() { log.report(timekeeping.sentence) }
    if let recorder = ended.recorder {
      log.report(
        "recorded \(recorder.recordedTicks) ticks, dropped \(recorder.droppedByRing + recorder.droppedByStorage), "
          + "\(options.dataDirectory ?? "")/\(identity.bootID)")
      if !recorder.isComplete {
        let left = recorder.running ? "\(recorder.lagTicks) or more" : "\(recorder.givenUpTicks)"
        log.report(
          "recorder: the last \(left) ticks were given up within \(StopBudget.consumerSeconds) s: "
            + "\(recorder.lastError ?? "storage is too slow")", .ticksDropped)
      }
    }
    if let publisher = ended.publisher {
      log.report(
        "published \(publisher.published) messages, dropped \(publisher.droppedMessages)"
          + (ended.saidFarewell ? "" : "; the broker did not take the farewell in time"))
    }
    if log.journalFailures > 0 {
      log.report("journal: \(log.journalFailures) messages went to standard error instead")
    }
    if log.unwritten > 0 { log.report("\(log.unwritten) messages could not be written and are lost") }
  }

  // MARK: - Virtual time

  /// Runs `ticks` ticks of virtual time as fast as the processor allows; ends early on a signal.
  func runVirtual(ticks: Int, script: CommandScript?) throws {
    let signals = SignalFence()
    let clock = VirtualClock()
    let runtime = try HandRuntime(design: design, seed: options.seed, clock: clock)
    let queue = CommandQueue(port: runtime.port)
    var parts = Parts(queue: queue)
    do {
      try startConsumers(of: runtime, &parts)
      try queue.start()
    } catch {
      unwind(parts)
      throw error
    }
    log.report("ready: virtual time, \(ticks) ticks, seed \(options.seed), boot \(identity.bootID)")
    let start = MonotonicClock().now()
    let signalPeriod = identity.board.control.rateHertz
    var done = 0
    runtime.runVirtual(
      clock, ticks: ticks, script: script?.entries ?? [], records: parts.recorder != nil,
      publishes: parts.publisher != nil
    ) {
      done += 1
      return done % signalPeriod != 0 || signals.wait(milliseconds: 0) == nil
    }
    let seconds = Double(MonotonicClock().now() - start) * 1e-9
    let ended = stop(parts)
    summarise(runtime, ended)
    let virtual = Double(done) / Double(signalPeriod)
    log.report(
      "virtual: \(virtual) s in \(String(format: "%.2f", seconds)) s, "
        + "\(String(format: "%.1f", virtual / seconds)) times real time")
  }

  // MARK: - Parts

  private func makeRecorder(_ runtime: HandRuntime) throws -> Recorder? {
    guard let directory = options.dataDirectory else { return nil }
    var recording = RecorderOptions()
    recording.keepBytes = options.keepBytes
    recording.stopNanoseconds = Int64(StopBudget.consumerSeconds * 1e9)
    return try Recorder(
      directory: directory, identity: identity, ring: runtime.recorderRing, checkpoint: runtime.checkpoint,
      options: recording)
  }

  private func makePublisher(_ runtime: HandRuntime, _ queue: CommandQueue) throws -> Publisher? {
    guard var broker = options.broker else { return nil }
    broker.stopSeconds = StopBudget.consumerSeconds - Publisher.graceSeconds
    if broker.credentialsFile != nil, broker.tls == nil, !broker.isLoopback {
      log.report("the password goes to \(broker.brokerText) unencrypted: use mqtts://", priority: .warning)
    }
    let parser = parser
    let port = runtime.port
    return try Publisher(
      options: broker, identity: identity, ring: runtime.publisherRing,
      commands: CommandSink(
        submit: { queue.submit($0, source: $1, stopCount: $2, completion: $3) },
        requestStop: { port.requestStop(.mqtt) }, stopCount: { port.stopCount },
        awaitStop: { port.awaitStop() },
        parse: { body, verb in
          parser.parse(body, verb: verb.isEmpty ? nil : verb, now: MonotonicClock().wallNow())
        }))
  }

  /// What full real-time operation lacks, with its remedy.
  private static func findings(_ process: borrowing RealtimeProcess) -> [String] {
    let missing = RealtimePrivileges.probe().findings.filter { $0.status == .missing }
    var lacking = missing.map { "\($0.subject): \($0.found), wanted \($0.wanted); \($0.remedy)" }
    // What the probe has found needs no second line.
    if let error = process.memoryLockError,
      !missing.contains(where: { $0.subject == PrivilegeFinding.memoryLock })
    {
      lacking.append("memory lock: \(error)")
    }
    if let error = process.cpuLatencyError,
      !missing.contains(where: { $0.subject == PrivilegeFinding.cpuLatency })
    {
      lacking.append("CPU latency request: \(error)")
    }
    return lacking
  }

  private static func snapshot(_ recorder: Recorder) -> HandSnapshot.Recorder {
    let status = recorder.status
    return .init(
      recorded: status.recordedTicks, dropped: status.droppedByRing + status.droppedByStorage,
      lagTicks: status.lagTicks, path: status.segmentPath, error: status.lastError)
  }

  private static func snapshot(_ publisher: Publisher) -> HandSnapshot.Publisher {
    let status = publisher.status
    return .init(
      connected: status.connected, broker: status.broker, published: status.published,
      dropped: status.droppedMessages, lagTicks: status.lagTicks,
      error: status.lastError.isEmpty ? nil : status.lastError, drops: status.drops.byKind,
      commands: snapshot(status.commandWay), stopWay: snapshot(status.stopWay))
  }

  private static func snapshot(_ way: CommandWay) -> HandSnapshot.Publisher.Way {
    .init(
      state: way.state.rawValue, since: way.sinceNanoseconds == 0 ? nil : Double(way.sinceNanoseconds) * 1e-9,
      error: way.error.isEmpty ? nil : way.error)
  }

  private static func line(_ snapshot: HandSnapshot) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    return String(decoding: try encoder.encode(snapshot), as: UTF8.self)
  }
}

extension PublisherStatus {
  /// Messages that were to be sent and were not.
  var droppedMessages: UInt64 { drops.notConnected + drops.inFlight + drops.events + drops.replies }
}

/// Blocks the stopping signals in every thread started after it, and lets one thread wait for them.
struct SignalFence {
  private var set = sigset_t()

  init() {
    sigemptyset(&set)
    sigaddset(&set, SIGTERM)
    sigaddset(&set, SIGINT)
    sigaddset(&set, SIGHUP)
    pthread_sigmask(SIG_BLOCK, &set, nil)
  }

  /// The name of a signal that came within the time, or nil.
  func wait(milliseconds: Int) -> String? {
    var set = set
    var time = timespec(tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000)
    switch sigtimedwait(&set, nil, &time) {
    case SIGTERM: return "SIGTERM"
    case SIGINT: return "SIGINT"
    case SIGHUP: return "SIGHUP"
    default: return nil
    }
  }
}
