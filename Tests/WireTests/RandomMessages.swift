import HandModel
import SeededRandom

@testable import Wire

/// Random values of everything that messages hold, repeatable from a printed seed.
struct RandomMessages {
  var random: SeededGenerator

  init(seed: UInt64) { random = SeededGenerator(seed: seed) }

  /// With what JSON must escape, and what it need not.
  mutating func text() -> String {
    let alphabet = Array("abzAZ09-_./ \"\\\n\t\u{1}\u{7f}äΛ²→😀")
    return String(
      (0..<Int.random(in: 0...12, using: &random)).map { _ in alphabet.randomElement(using: &random)! })
  }

  mutating func optional<Value>(_ value: (inout Self) -> Value) -> Value? {
    Bool.random(using: &random) ? value(&self) : nil
  }

  mutating func natural() -> UInt64 {
    UInt64.random(in: 0 ... .max, using: &random) >> UInt64.random(in: 0...63, using: &random)
  }

  mutating func nanoseconds() -> Int64 { Int64(bitPattern: natural()) }

  mutating func number() -> Double {
    let magnitude = Double.random(in: -1...1, using: &random)
    return Bool.random(using: &random) ? magnitude : magnitude * 1e12
  }

  mutating func one<Value: CaseIterable>(_ type: Value.Type) -> Value {
    Value.allCases.randomElement(using: &random)!
  }

  mutating func event() -> EventMessage {
    let event = HandEvent(
      number: natural(), isStored: Bool.random(using: &random), sequence: optional { $0.natural() },
      wallNanoseconds: nanoseconds(), kind: one(HandEvent.Kind.self), from: optional { $0.text() },
      to: optional { $0.text() }, joint: optional { $0.text() }, count: optional { $0.natural() },
      text: text())
    return EventMessage(runID: text(), event: event)
  }

  mutating func reply() -> ReplyMessage {
    let reply: CommandReply =
      switch one(ReplyMessage.Word.self) {
      case .executed: .executed
      case .refused: .refused(reason: text())
      case .unconfirmed: .unconfirmed(reason: text())
      }
    return ReplyMessage(
      id: optional { $0.text() }, verb: optional { $0.text() }, reply: reply, runID: text(),
      sequence: optional { $0.natural() })
  }

  mutating func way() -> CommandWay {
    var way = CommandWay()
    way.state = [.down, .asking, .deaf, .unproved, .up].randomElement(using: &random)!
    way.error = text()
    way.sinceNanoseconds = Int64(natural() >> 1)
    return way
  }

  mutating func status() -> StatusMessage {
    // The joint stands beside a fault.
    let fault = optional { $0.one(FaultCode.self) }
    return StatusMessage(
      word: one(StatusPayload.Word.self), runID: text(), session: natural(), version: text(), fault: fault,
      faultJoint: fault == nil ? nil : optional { $0.text() }, sequence: optional { $0.natural() },
      ways: optional { .init(commands: $0.way(), stop: $0.way()) })
  }

  mutating func audit() -> AuditMessage {
    let hash = SHA512Digest.text(SHA512Digest.of([UInt8](text().utf8)))
    return AuditMessage(
      runID: text(), head: ChainHead(number: natural(), hash: hash, wallNanoseconds: nanoseconds()))
  }

  mutating func detail() -> DetailMessage {
    DetailMessage(
      handID: text(), runID: text(), sequence: natural(), wallNanoseconds: nanoseconds(),
      mode: one(ControlMode.self), psi: number(), gamma: number(), energyIntegral: number(),
      memoryRadianSeconds: number(), lambdaPerSecond: optional { $0.number() }, lipschitz: number(),
      ratePerSecond: number(), windowProduct: number(), windowTicks: Int(natural() >> 12),
      certificate: one(CertificateState.self), uncertifiedTicks: UInt32(truncatingIfNeeded: natural()),
      distance: number(), certificateHash: text())
  }

  mutating func channel() -> Channel {
    Channel(
      name: text() + "\(natural())", unit: text(),
      kind: [.number, .integer, .text, .flag, .wide].randomElement(using: &random)!,
      lower: optional { $0.number() },
      upper: optional { $0.number() }, joint: optional { Int($0.natural() >> 12) })
  }

  mutating func birth() -> BirthMessage {
    let joints = (0..<Int.random(in: 0...4, using: &random)).map { _ in
      BirthMessage.Joint(
        name: text(), lowerRadians: number(), upperRadians: number(), radiansPerSecond: number(),
        newtonMetres: number(), amperes: number(), lambdaPerSecond: number())
    }
    return BirthMessage(
      handID: text(), runID: text(), version: text(), schemas: [text(): text(), "state": text()],
      board: .init(name: text(), hash: text()), calibration: .init(name: text(), hash: text()),
      certificateHash: text(), rateHertz: Int(natural() >> 12), stateHertz: number(),
      windowTicks: Int(natural() >> 12), joints: joints,
      channels: (0..<Int.random(in: 0...6, using: &random)).map { _ in channel() },
      sensors: (0..<Int.random(in: 0...4, using: &random)).map { _ in text() },
      constants: [.init(name: "D", value: number()), .init(name: "S", value: number())])
  }

  /// A state message whose channels are those given; the first says its schema.
  mutating func state(_ channels: [Channel]) -> StateMessage {
    StateMessage(
      values: channels.map { channel in
        guard channel.name != "schema" else { return .text(StateMessage.schema) }
        return switch channel.kind {
        case .number: .number(optional { $0.number() })
        case .integer: .integer(optional { $0.nanoseconds() })
        case .text: .text(optional { $0.text() })
        case .flag: .flag(optional { Bool.random(using: &$0.random) })
        case .wide: .wide(optional { $0.nanoseconds() })
        }
      })
  }

  /// One to four bytes changed, lost, doubled or put in.
  mutating func mutated(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
      let index = Int.random(in: 0..<bytes.count, using: &random)
      switch Int.random(in: 0..<5, using: &random) {
      case 0: bytes[index] = UInt8.random(in: 0 ... .max, using: &random)
      case 1: bytes.remove(at: index)
      case 2: bytes.insert(contentsOf: bytes[index..<min(index + 40, bytes.count)], at: index)
      case 3: bytes.removeLast(bytes.count - index)
      default: bytes.insert(Array("{}[],:\"\\-9e.".utf8).randomElement(using: &random)!, at: index)
      }
    }
    return bytes
  }
}
