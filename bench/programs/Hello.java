// SPDX-License-Identifier: MIT
import java.util.List;
import java.util.stream.Collectors;

public class Hello {
  record Word(String text, int length) {}

  public static void main(String[] arguments) {
    List<Word> words = List.of("hello", "world").stream().map(w -> new Word(w, w.length())).toList();
    System.out.println(words.stream().map(Word::text).collect(Collectors.joining(" ")));
  }
}
