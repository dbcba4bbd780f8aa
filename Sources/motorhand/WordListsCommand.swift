import ArgumentParser
import Wire

struct WordListsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "words", abstract: "List the words and bits of MQTT, control socket, recordings and journal."
  )
  @Flag(help: "Print docs/words.md.") var markdown = false

  func run() throws {
    if markdown { return try emit(WordLists.document, terminator: "") }
    for list in WordLists.lists {
      try emit("\(list.title)")
      for entry in list.entries { try emit("  \(entry.word): \(entry.meaning)") }
    }
  }
}
