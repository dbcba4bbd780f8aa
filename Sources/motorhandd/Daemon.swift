import Control
import ControlSocket
import Foundation
import HandFiles
import HandModel
import LinuxIO
import Devices
import Realtime
import Recording
import Runtime
import Service
import Simulation
import Synchronization
import Telemetry
import Wire

/// Composition of a running hand with its recorder, publisher and control socket.
final class Daemon {
  /// How often the main thread looks at signals and at what there is to report.
  private static let watchMilliseconds = 200

  /// Why the hand stops.
  private enum End {
    case signal(String)
    /// For a service manager only, which tries again and then shows the failed unit; at a bench the hand
    /// stays in its fault to be looked at.
    case selfTest(joint: String?)
  }

  private let options: DaemonOptions
  private let log: DaemonLog
  private let manager: ServiceManager?
  private let identity: HandIdentity
  private let design: HandDesign
  private let parser: CommandParser
  private var degraded: [String] = []
  let start: StartSequence

  /// Reads the files and finds the certificates. Throws what `HandFiles` and `HandDesign` throw.
  /// - Parameter start: empty; a test's may fail at a step.
  init(
    _ options: DaemonOptions, log: DaemonLog, manager: ServiceManager?, start: StartSequence = StartSequence()
  ) throws {
    self.start = start
    self.options = options
    self.log = log
    self.manager = manager
    let files = try HandFiles(board: options.boardPath, calibration: options.calibrationPath)
    design = try HandDesign(board: files.board, calibration: files.calibration)
    parser = CommandParser(board: files.board, calibration: files.calibration)
    identity = HandIdentity(
      handID: options.handID, runID: UUID().uuidString.lowercased(), board: files.board,
      calibration: files.calibration, boardYAML: files.boardYAML, calibrationYAML: files.calibrationYAML,
      version: motorHandVersion, certificateJSON: design.certificates.json)
  }

  // MARK: - Real time

  /// Runs until SIGTERM or SIGINT. Outputs are off when it returns or throws.
  func run() throws {
    let signals = SignalFence()
    let process = RealtimeProcess()
    degraded = Self.findings(process)
    if options.requireRealtime && !degraded.isEmpty { throw StartError.notRealtime(degraded) }
    for finding in degraded { log.report("degraded: \(finding)", .degraded) }

    // The clock of a simulated hand stands still while the machine does.
    let clock: any TimeSource =
      identity.board.platform == .simulated && !options.strictClock
      ? VirtualClock(nanoseconds: MonotonicClock().now()) : MonotonicClock()
    let run = Run()
    let runtime: HandRuntime
    do { runtime = try begin(run, clock) } catch {
      // As an orderly stop, and nothing is left that would look like a run.
      start.end()
      run.recorder?.discardIfEmpty()
      throw error
    }
    log.report(
      "ready: hand \(identity.handID), board \(identity.board.name), \(identity.board.joints.count) joints, "
        + "\(identity.board.control.rateHertz) Hz, run \(identity.runID)", .ready)
    var reporter = ServiceReporter(
      manager, settings: identity.board.control, judgesTime: !(clock is VirtualClock),
      now: MonotonicClock().now())
    let end = watch(runtime, run, signals, &reporter)
    let cause =
      switch end {
      case .signal(let name): name
      case .selfTest: "self-test failed"
      }
    log.report("stopping: \(cause)", .stopping)
    reporter.stopping(cause)
    start.end()
    summarise(runtime, run)
    _ = consume process
    if case .selfTest(let joint) = end { throw StartError.selfTest(joint: joint) }
  }

  // MARK: - Start and end

  /// What runs so far, and what came of it.
  private final class Run {
    var server: ControlServer?
    var recorder: Recorder?
    /// Head of the recorded events' hash chain.
    let chainHead = Locked<ChainHead?>(nil)
    var publisher: Publisher?
    var blackBox: BlackBox?
    /// What recorder and publisher had done when they ended.
    var recorderStatus: RecorderStatus?
    var publisherStatus: PublisherStatus?
    var saidFarewell = true
    /// Threads that stood still at the end.
    var leftThreads: [String] = []
  }

  /// Starts everything. What is started by then has its end in `start`, also when this throws.
  private func begin(_ run: Run, _ clock: any TimeSource) throws -> HandRuntime {
    let port = CommandPort()
    let queue = CommandQueue(port: port)
    let keeper = BlackBoxKeeper(manager: manager, log: log)
    // The socket's lock comes first: a second daemon must end before it touches a chip or leaves a file.
    let server = try start.step("socket") {
      try ControlServer(
        path: options.socketPath, sink: queue.sink(parser), logger: log.logger("ControlSocket"))
    }
    run.server = server
    start.onEnd(.clients) { server.stop() }
    let box = keeper.store(
      identity,
      checkpointByteCount: HandController(settings: design.board.control, parameters: design.joints)
        .checkpointByteCount)
    run.blackBox = box
    start.onEnd(.memory) {
      // Given up when the recording has all of it.
      if run.leftThreads.isEmpty, run.recorderStatus?.isComplete ?? true { keeper.drop() }
    }
    let runtime = try start.step("hardware") {
      try HandRuntime(
        design: design, hardware: hardware(clock), clock: clock, port: port, blackBox: box)
    }
    start.onEnd(.outputs) { [self] in stopLoop(runtime, run) }
    try beginConsumers(of: runtime, queue, run)
    try start.step("loop") {
      try runtime.start(cpu: options.cpu, requireRealtime: options.requireRealtime)
    }
    try beginQueue(queue)
    let state = DaemonState(
      runtime: runtime, identity: identity, recorder: run.recorder, publisher: run.publisher,
      degraded: degraded, log: log)
    try start.step("control") {
      do throws(RealtimeThreadError) { try server.start { state.line } } catch {
        throw StartError.thread(name: "control", error)
      }
    }
    return runtime
  }

  /// Recorder and publisher. At their end both are asked before one is waited for: together they have
  /// `StopBudget.consumerSeconds`.
  private func beginConsumers(of runtime: HandRuntime, _ queue: CommandQueue, _ run: Run) throws {
    // Far more than comes between two looks of the publisher, a hundredth of a second apart.
    let events: HandOver<HandEvent>? =
      options.dataDirectory == nil || options.broker == nil ? nil : HandOver(capacity: 4096)
    // First what may be refused.
    run.publisher = try start.step("publisher's options") {
      try makePublisher(runtime, queue, recordedEvents: events, chainHead: run.chainHead)
    }
    run.recorder = try start.step("recorder's directory") {
      try makeRecorder(runtime, handOver: events, run)
    }
    if let recorder = run.recorder {
      start.onEnd(.consumers, beginEnd: { recorder.beginStop() }) { run.recorderStatus = recorder.stop() }
      try start.step("recorder") { try recorder.start() }
    }
    if let publisher = run.publisher {
      start.onEnd(.consumers, beginEnd: { publisher.beginStop() }) {
        run.saidFarewell = publisher.stop()
        run.publisherStatus = publisher.status
      }
      try start.step("publisher") { try publisher.start() }
    }
  }

  private func beginQueue(_ queue: CommandQueue) throws {
    // Said first: one of its threads may run when the other cannot be had.
    start.onEnd(.consumers) { queue.stop() }
    try start.step("commands") {
      do throws(RealtimeThreadError) { try queue.start() } catch {
        throw StartError.thread(name: "commands", error)
      }
    }
  }

  private func stopLoop(_ runtime: HandRuntime, _ run: Run) {
    run.leftThreads = runtime.stop()
    if !run.leftThreads.isEmpty {
      log.report(
        "threads that stand still are left behind: \(run.leftThreads.joined(separator: ", ")); the drive-enable line was released without "
          + "them", priority: .error)
    }
  }

  /// What the board names: opened, or simulated. Virtual time has no machine under it: there a linux board is
  /// simulated too.
  private func hardware(_ clock: any TimeSource) throws -> any Hardware {
    try HandRuntime.requireFit(design)
    guard design.board.platform == .simulated || clock is VirtualClock else {
      return try LinuxHardware(board: design.board)
    }
    return SimulatedHand(
      board: design.board, calibration: design.calibration, seed: options.seed, clock: clock)
  }

  /// Waits for a signal; meanwhile reports to the service manager, and faults and troubles as they come.
  private func watch(
    _ runtime: HandRuntime, _ run: Run, _ signals: SignalFence, _ reporter: inout ServiceReporter
  ) -> End {
    let clock = MonotonicClock()
    var troubles = TroubleWatch(identity: identity, boardPath: options.boardPath, now: clock.now())
    while true {
      if let name = signals.wait(milliseconds: Self.watchMilliseconds) { return .signal(name) }
      let record = runtime.latestRecord()
      if let broken = reporter.observe(record, wakeUps: runtime.wakeUps, now: clock.now()) {
        log.report("broken invariant: \(broken)", .unsafeOutputs)
      }
      if troubles.observe(record, log) == .selfTestFailed && reporter.hasManager {
        return .selfTest(joint: identity.faultJoint(record))
      }
      if let publisher = run.publisher { troubles.observe(publisher.status, now: clock.now(), log) }
      troubles.observe(socketLoss: run.server?.loss, log)
      if let recorder = run.recorder { troubles.observe(recorder.status, now: clock.now(), log) }
      troubles.observe(chainHead: run.chainHead.withLock { $0 }, now: clock.now(), log)
    }
  }

  private func summarise(_ runtime: HandRuntime, _ run: Run) {
    let record = runtime.latestRecord()
    log.report(
      "stopped: \(record.sequence + 1) ticks, \(record.overruns) overruns, outputs off, last state "
        + record.state.name
        + (record.fault == .none
          ? "" : " (\(record.fault.name)\(identity.faultJoint(record).map { ", joint " + $0 } ?? ""))"),
      .stopped)
    if let timekeeping = runtime.latestTimekeeping() { log.report(timekeeping.sentence) }
    if let recorder = run.recorderStatus {
      log.report(
        "recorded \(recorder.recordedTicks) ticks, "
          + (recorder.thinnedTicks > 0 ? "thinned out \(recorder.thinnedTicks), " : "")
          + "dropped \(recorder.droppedByRing + recorder.droppedByStorage), "
          + "\(options.dataDirectory ?? "")/\(identity.runID)")
      if !recorder.isComplete {
        let left = recorder.running ? "\(recorder.lagTicks) or more" : "\(recorder.givenUpTicks)"
        log.report(
          "recorder: the last \(left) ticks were given up within \(StopBudget.consumerSeconds) s: "
            + "\(recorder.lastError ?? "storage is too slow")", .ticksDropped)
      }
    }
    if let head = run.chainHead.withLock({ $0 }) {
      log.report("chain head \(head.number) \(head.hash)", .chainHead)
    }
    if let publisher = run.publisherStatus {
      log.report(
        "published \(publisher.published) messages, dropped \(publisher.droppedMessages)"
          + (run.saidFarewell ? "" : "; the broker did not take the farewell in time"))
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
    let runtime = try HandRuntime(design: design, hardware: hardware(clock), clock: clock)
    let queue = CommandQueue(port: runtime.port)
    let run = Run()
    start.onEnd(.outputs) { [self] in stopLoop(runtime, run) }
    do {
      try beginConsumers(of: runtime, queue, run)
      try beginQueue(queue)
    } catch {
      start.end()
      run.recorder?.discardIfEmpty()
      throw error
    }
    log.report("ready: virtual time, \(ticks) ticks, seed \(options.seed), run \(identity.runID)")
    let startedAt = MonotonicClock().now()
    let signalPeriod = identity.board.control.rateHertz
    var done = 0
    runtime.runVirtual(
      clock, ticks: ticks, script: script?.entries ?? [], records: run.recorder != nil,
      publishes: run.publisher != nil, closes: true
    ) {
      done += 1
      return done % signalPeriod != 0 || signals.wait(milliseconds: 0) == nil
    }
    let seconds = Double(MonotonicClock().now() - startedAt) * 1e-9
    start.end()
    summarise(runtime, run)
    let virtual = Double(done) / Double(signalPeriod)
    log.report(
      "virtual: \(virtual) s in \(String(format: "%.2f", seconds)) s, "
        + "\(String(format: "%.1f", virtual / seconds)) times real time")
  }

  // MARK: - Parts

  private func makeRecorder(
    _ runtime: HandRuntime, handOver: HandOver<HandEvent>?, _ run: Run
  ) throws -> Recorder? {
    guard let directory = options.dataDirectory else { return nil }
    var recording = RecorderOptions()
    recording.mode = options.recordingMode ?? identity.board.recordingMode
    recording.keepBytes = options.keepBytes
    recording.keepSeconds = options.keepSeconds
    recording.stopNanoseconds = Int64(StopBudget.consumerSeconds * 1e9)
    var keepCheckpoint: (@Sendable (UnsafeRawBufferPointer, UInt64) -> Void)?
    if let box = run.blackBox { keepCheckpoint = { box.keep($0, before: $1) } }
    return try Recorder(
      directory: directory, identity: identity, ring: runtime.recorderRing, checkpoint: runtime.checkpoint,
      handOver: handOver, anchor: run.chainHead,
      keepCheckpoint: keepCheckpoint, options: recording)
  }

  private func makePublisher(
    _ runtime: HandRuntime, _ queue: CommandQueue, recordedEvents: HandOver<HandEvent>?,
    chainHead: Locked<ChainHead?>
  ) throws -> Publisher? {
    guard var broker = options.broker else { return nil }
    broker.stopSeconds = StopBudget.consumerSeconds - Publisher.graceSeconds
    if broker.credentialsFile != nil {
      for one in broker.brokers where one.tls == nil && !one.isLoopback {
        log.report("the password goes to \(one.brokerText) unencrypted: use mqtts://", priority: .warning)
      }
    }
    let upload = options.dataDirectory.map { directory in
      var upload = UploadOptions(directory: directory, mode: options.upload)
      upload.backlogBytesPerSecond = options.uploadBytesPerSecond
      return upload
    }
    return try Publisher(
      options: broker, identity: identity, ring: runtime.publisherRing, recordedEvents: recordedEvents,
      chainHead: chainHead, upload: upload, commands: queue.sink(parser), logger: log.logger("Telemetry"))
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
}
