import CMosquitto
import Glibc
import Realtime

/// Why a connection to the broker failed or ended.
enum BrokerError: Error, Equatable, CustomStringConvertible {
  case credentials(BrokerCredentialsError)
  /// A call of the library failed; `detail` is what it logged last, if anything.
  case library(call: String, code: Int32, errno: Int32, detail: String)
  /// The library could make nothing of a packet.
  case malformedPacket
  /// The broker sent a message of QoS 2, although nothing was subscribed to with it.
  case unaskedQoS
  /// The broker answered what was never asked.
  case unaskedAnswer
  /// The broker sent a packet that is larger than it was told to send.
  case oversizePacket(bytes: Int, limit: Int)
  /// The attempt's thread could not be started.
  case noThread(RealtimeThreadError)
  /// The broker answered CONNECT with a refusal (MQTT 5 reason code).
  case refused(reason: Int32)
  case handshakeTimeout(seconds: Double)
  case acknowledgementTimeout(seconds: Double)
  /// The broker ended the connection (MQTT 5 reason code).
  case ended(reason: Int32)

  var description: String {
    switch self {
    case .credentials(let error): return error.description
    case .library(let call, let code, let number, let detail):
      let cause =
        switch code {
        // The library's own text is that of errno as it is by now.
        case MOSQ_ERR_ERRNO.code: Errno(rawValue: number).description
        // It has no text for this one.
        case MOSQ_ERR_KEEPALIVE.code: "the broker was silent for longer than two keep-alives"
        default: String(cString: mosquitto_strerror(code))
        }
      return detail.isEmpty ? "\(call): \(cause)" : "\(call): \(cause) (\(detail))"
    case .malformedPacket:
      return "the broker sent a packet that is not MQTT 5; see that the address is a broker's"
    case .unaskedQoS: return "the broker sent a message of QoS 2, although nobody asked for that"
    case .unaskedAnswer: return "the broker answered pings or messages that were never sent"
    case .oversizePacket(let bytes, let limit):
      return "the broker sent a packet of \(bytes) bytes, although told that \(limit) is the most"
    case .noThread(let error): return "pthread_create: \(error)"
    case .refused(let reason):
      let hint =
        reason == MQTT_RC_BAD_USERNAME_OR_PASSWORD.reason || reason == MQTT_RC_NOT_AUTHORIZED.reason
        ? ": check the credentials file" : ""
      return "broker refused the connection: \(Self.text(reason))\(hint)"
    case .handshakeTimeout(let seconds): return "broker did not answer within \(seconds) s"
    case .acknowledgementTimeout(let seconds):
      return "broker did not acknowledge a message within \(seconds) s"
    case .ended(let reason): return "broker ended the connection: \(Self.text(reason))"
    }
  }

  static func text(_ reason: Int32) -> String {
    "\(String(cString: mosquitto_reason_string(reason))) (0x\(String(reason, radix: 16)))"
  }
}

extension mosq_err_t {
  /// The enumeration's value as the functions return it.
  var code: Int32 { Int32(rawValue) }
}

extension mqtt5_return_codes {
  var reason: Int32 { Int32(bitPattern: rawValue) }
}
