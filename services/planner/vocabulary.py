"""The words that give a prompt away: data of planner.signals.

Terms are in lower case, without punctuation, and stand between commas; a phrase is matched word by word.
"""

from __future__ import annotations

from typing import Final

#: Label → its terms.
TERMS: Final = {
    "small talk": """
        how are you, how is it going, how s it going, wie geht es, wie geht s, comment ça va, cómo estás, come stai""",
    "code": """
        python, javascript, typescript, golang, sql, c++, c#, regex, algorithm, refactor, debug, traceback, stacktrace,
        segfault, compiler, stack trace, unit test, unit tests, compile error, api endpoint, function that,
        program that, write a program, in rust, rust code, in java, java class, java code, in bash, bash script,
        shell script, programmiere, ein programm, un programme, un programa que, #include""",
    "math": """
        equation, equations, integral of, derivative of, prove that, probability, square root, polynomial, factorial,
        calculate, berechne, gleichung, wahrscheinlichkeit, équation, calcule, probabilité, ecuación, calcula,
        equação""",
    "quantity": """
        how many, how much, solve, sum of, product of, average, percent, percentage, remainder, triangle, wie viel,
        wie viele, löse, combien, résous, cuánto, cuántos, cuántas, quanto, quantos, quantas""",
    "translation": """
        translate, translation, übersetze, übersetzen, übersetzung, traduis, traduire, traduisez, traduce, traducir,
        traduzir, traduza, traduci, переведи""",
    "creative": """
        poem, haiku, limerick, sonnet, brainstorm, slogan, tagline, short story, tell me a story, tell me a joke,
        write a story, write me a story, write a song, write me a song, write a speech, write me a speech,
        write a letter, write me a letter, write a scene, write a joke, gedicht, schreibe eine geschichte, poème,
        écris une histoire, poema, escribe un cuento, poesia""",
    "extraction": """
        summarize, summarise, summary, tl dr, tldr, extract, classify, rewrite, paraphrase, list all, key points,
        fasse, zusammenfassung, résume, résumez, résumer, resume este, resume esto, resume el, resume la, resumir,
        resumen, resuma, riassumi""",
    "reasoning": """
        why, how do, how does, how did, how can, how could, how would, how should, how to, how is, how are, explain,
        compare, analyze, analyse, evaluate, argue, trade off, trade offs, tradeoff, tradeoffs, implication,
        implications, difference between, pros and cons, should, warum, wieso, erkläre, vergleiche, pourquoi, explique,
        comparez, explica, compara, por qué, por que, perché, spiega, почему, объясни""",
    "lookup": """
        how tall, how old, how far, how long, how big, how high, how fast, how often, capital of, hauptstadt von,
        capitale de, capital de, столица""",
    "asks": """
        who, when, where, which, what, whose, wer, wann, wo, welche, welcher, welches, qui, quand, où, quel, quelle,
        quién, cuándo, dónde, cuál, qué, quem, quando, onde, qual, chi, dove, кто, когда, где""",
    "contested": """
        should i, should you, should we, should they, should the, should a, should government, should governments,
        should companies, is it right, is it wrong, is it better, is it worth, is it ethical, is it moral, best, better,
        worth it, opinion, opinions, ethic, ethics, ethical, moral, morals, morality, morally, controversy,
        controversial, debate, pros and cons, for or against, recommend, sollte, sollten, devrait, devraient, debería,
        deberían, deveria, dovrebbe""",
    "answer form": """
        yes or no, true or false, answer with the number, answer with the letter, answer with only, answer with yes,
        only the number, just the number, only the letter, just the letter, what is the output, what does this print,
        what will this print, ja oder nein, oui ou non, sí o no, sim ou não, sì o no""",
    "proof": """
        prove, show that, derive, beweise, prouve, demuestra""",
    "join": """
        and also, and then, as well as, after that, additionally, then also, finally, außerdem, und dann, et aussi,
        et puis, y también, y luego, e depois""",
    "greeting": """
        hi, hello, hey, thanks, thank, good morning, good evening, hallo, danke, guten, bonjour, merci, hola, gracias,
        olá, obrigado, ciao, grazie""",
}

#: The same for scripts that put no space between words: a term is found at any place.
UNSPACED: Final = {
    "math": "计算, 求解, 等于多少, 計算して",
    "translation": "翻译, 翻譯, 翻訳",
    "creative": "写一首, 写一个故事, 俳句, 詩を",
    "extraction": "总结, 摘要, 概括, 要約",
    "reasoning": "为什么, 解释, 比较, 如何, なぜ, 説明して",
    "lookup": "什么时候, 谁, 哪里, 哪个, 首都, いつ, どこ, 誰",
    "contested": "应该, 是否值得, べきか",
}
