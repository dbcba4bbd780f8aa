import ArgumentParser
import Foundation
import Wire

struct AsyncAPI: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "asyncapi", abstract: "Print what a hand says over MQTT as an AsyncAPI 3 document.",
    discussion: "This is docs/asyncapi.yaml; with --into also the JSON Schemas that it refers to.")

  @Option(help: "Write asyncapi.yaml and schemas/*.json into this folder in place of printing.")
  var into: String?

  func run() throws {
    guard let into else { return try emit(AsyncAPIDocument.value.yamlText(), terminator: "") }
    for file in AsyncAPIDocument.files {
      let place = URL(fileURLWithPath: into).appending(path: file.path)
      do {
        try FileManager.default.createDirectory(
          at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(file.text.utf8).write(to: place, options: .atomic)
      } catch {
        throw Failure("\(place.path) cannot be written: \(error.localizedDescription)", Exit.failure)
      }
    }
  }
}
