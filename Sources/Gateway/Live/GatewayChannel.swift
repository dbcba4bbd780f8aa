import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import NIOWebSocket
import ServiceLifecycle
import Wire

/// A connection: HTTP, or a WebSocket where its first request asks for one.
struct GatewayChannel: ServerChildChannel, HTTPChannelHandler {
  typealias HTTPParts = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>
  typealias Frames = NIOAsyncChannel<WebSocketFrame, WebSocketFrame>

  /// What a connection became.
  enum Kind: Sendable {
    case http(HTTPParts)
    case webSocket(Frames, HTTPRequestHead)
  }

  /// A connection whose first request is not read yet.
  struct Value: ServerChildChannelValue {
    let kind: EventLoopFuture<Kind>
    /// Whether `kind` is there; of the event loop.
    let isKnown: NIOLoopBoundBox<Bool>
    let channel: any NIOCore.Channel
  }

  /// Frames and messages of a client; ours of a thousand topics are larger, a client's are not.
  static let largestMessage = 65_536
  /// Between two requests.
  private static let idleSeconds: Int64 = 60
  /// For the first request's head, on which it depends what a connection becomes.
  private static let firstHeadSeconds: Int64 = 20

  let responder: HTTPChannelHandler.Responder
  let webSockets: WebSocketServer

  /// What the kernel keeps for a client that does not read: it would take megabytes.
  private static let sendBufferBytes = 262_144

  func setup(channel: any NIOCore.Channel, logger: Logger) -> EventLoopFuture<Value> {
    channel.setOption(.socketOption(.so_sndbuf), value: Self.sendBufferBytes).whenFailure { _ in }
    return channel.eventLoop.makeCompletedFuture {
      let upgrader = NIOTypedWebSocketServerUpgrader<Kind>(
        maxFrameSize: Self.largestMessage, enableAutomaticErrorHandling: true,
        shouldUpgrade: { channel, head in
          channel.eventLoop.makeSucceededFuture(webSockets.takes(head) ? HTTPHeaders() : nil)
        },
        upgradePipelineHandler: { channel, head in
          channel.eventLoop.makeCompletedFuture {
            .webSocket(try Frames(wrappingChannelSynchronously: channel), head)
          }
        })
      let configuration = NIOTypedHTTPServerUpgradeConfiguration(upgraders: [upgrader]) { channel in
        channel.eventLoop.makeCompletedFuture {
          let pipeline = channel.pipeline.syncOperations
          try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: false))
          try pipeline.addHandler(
            HTTPConnectionStateHandler(idleTimeout: .seconds(Self.idleSeconds), logger: logger))
          return .http(
            try HTTPParts(
              wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
          )
        }
      }
      var pipeline = NIOUpgradableHTTPServerPipelineConfiguration(upgradeConfiguration: configuration)
      // The loop over a connection's requests does it.
      pipeline.enablePipelining = false
      let kind = try channel.pipeline.syncOperations.configureUpgradableHTTPServerPipeline(
        configuration: pipeline)
      let limit = channel.eventLoop.scheduleTask(in: .seconds(Self.firstHeadSeconds)) {
        channel.close(promise: nil)
      }
      let isKnown = NIOLoopBoundBox(false, eventLoop: channel.eventLoop)
      kind.whenComplete { _ in
        limit.cancel()
        isKnown.value = true
      }
      return Value(kind: kind, isKnown: isKnown, channel: channel)
    }
  }

  func handle(value: Value, logger: Logger) async {
    do {
      let kind = try await withGracefulShutdownHandler {
        try await value.kind.get()
      } onGracefulShutdown: {
        // Who has not asked anything yet is not waited for.
        value.channel.eventLoop.execute { if !value.isKnown.value { value.channel.close(promise: nil) } }
      }
      switch kind {
      case .http(let parts): await handleHTTP(asyncChannel: parts, logger: logger)
      case .webSocket(let frames, let head): await webSockets.serve(frames, head)
      }
    } catch {
      // Another protocol than a WebSocket, a broken request for one, or a client that has gone.
      try? await refuse(value.channel)
    }
  }

  /// Answers where no handler of requests stands yet, and closes.
  private func refuse(_ channel: any NIOCore.Channel) async throws {
    try await channel.eventLoop.submit {
      let pipeline = channel.pipeline.syncOperations
      guard channel.isActive, let context = try? pipeline.context(handlerType: HTTPResponseEncoder.self)
      else { return }
      // From its place on outwards: as bytes, not as a response.
      context.writeAndFlush(NIOAny(ByteBuffer(string: Self.refusal)), promise: nil)
    }.get()
    try await channel.close()
  }

  private static let refusal =
    "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

}
