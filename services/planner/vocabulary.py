"""The words that give a prompt away: data of planner.labels.

Terms are in lower case, without punctuation, and stand between commas; a phrase is matched word by word, and `^`
stands for the beginning of the prompt. Languages stand side by side: a word tells the same wherever it is from.
"""

from __future__ import annotations

from typing import Final

#: Label → its terms.
TERMS: Final = {
    "small talk": """
        how are you, how is it going, how s it going, wie geht es, wie geht s, comment ça va, cómo estás,
        come stai, como estás, como vai, как дела, كيف حالك""",
    "code": """
        python, javascript, typescript, golang, sql, c++, c#, regex, algorithm, refactor, debug, traceback,
        stacktrace, segfault, compiler, stack trace, unit test, unit tests, compile error, api endpoint,
        function that, program that, write a program, in rust, rust code, in java, java class, java code,
        in bash, bash script, shell script, programmiere, ein programm, un programme, en java, un programa que,
        un programma, um programa, программу, برنامجا, function to, linked list, binary tree, array, arrays,
        implement, react, html, css, git, docker, kubernetes, implementiere, une fonction en, una función en,
        una funzione, uma função em, функцию на, bash, rest api, api, flask, django, one liner, write tests""",
    "math": """
        equation, equations, integral of, derivative of, prove that, probability, square root, polynomial,
        factorial, area of, volume of, gleichung, wahrscheinlichkeit, équation, probabilité, ecuación,
        probabilidad, equazione, probabilità, equação, probabilidade, уравнение, вероятность, معادلة, المعادلة,
        समीकरण""",
    "formal": """
        in how many ways, how many ways, how many different, how many distinct, how many possible, possible values,
        possible value, possible number, positive integer, positive integers, whole number, whole numbers,
        real number, real numbers, common divisor, common multiple, least common, greatest common, expected value,
        lowest terms, simplest form, in terms of, such that, is chosen at random, at random""",
    "formal word": """
        integer, integers, polynomial, polynomials, prime, primes, divisor, divisors, divisible, divisibility, modulo,
        digit, digits, quotient, coefficient, coefficients, quadratic, cubic, root, roots, real, complex, rational,
        irrational, parabola, ellipse, hyperbola, vertex, vertices, perpendicular, parallel, inscribed, circumscribed,
        radius, diameter, hypotenuse, isosceles, equilateral, quadrilateral, trapezoid, rhombus, pentagon, hexagon,
        octagon, tangent, chord, bisector, midpoint, sequence, geometric, arithmetic, coordinate, coordinates, matrix,
        determinant, logarithm, asymptote, asymptotes, permutations, combinations, factorial, triangle, triangles,
        circle, sphere, cone, cylinder, cube, tetrahedron, polygon, function, equation, equations, congruent, rectangle,
        rectangles, angle, angles, surface, consecutive, distinct, factor, factors, perimeter, positive, histogram,
        median, similar""",
    "compute": """
        calculate, compute, berechne, berechnen, calcule, calculer, résous, calcula, calcular, resuelve,
        calcola, risolvi, resolva, вычисли, вычислите, посчитай, реши, احسب, حل المعادلة, हल करो, हल करें, गणना""",
    "quantity": """
        how many, how much, solve, sum of, product of, average, percent, percentage, remainder, triangle,
        wie viel, wie viele, löse, combien, cuánto, cuántos, cuánta, cuántas, quanto, quanti, quante, quantos,
        quantas, сколько, كم, कितने, कितना""",
    "unit": """
        km, kg, cm, mph, mm, kilometers, kilometres, meters, metres, miles, hours, minutes, dollars, euro,
        euros, liters, litres""",
    "translation": """
        translate, translation, übersetze, übersetzen, übersetzung, traduis, traduire, traduisez, traduce,
        traducir, traduci, tradurre, traduz, traduzir, traduza, переведи, переведите, ترجم, ترجمة, अनुवाद,
        how do you say, wie sagt man, comment dit on, cómo se dice, come si dice, como se diz, как сказать""",
    "creative": """
        poem, haiku, limerick, sonnet, lullaby, brainstorm, slogan, tagline, short story, tell me a story,
        tell me a joke, gedicht, kurzgeschichte, poème, une histoire, poema, cuento, poesia, racconto,
        um conto, стихотворение, стихи, рассказ, сказку, قصيدة, قصة, कविता, कहानी, blog post, imagine, pretend,
        rap, fairy tale, stell dir vor, märchen, imagina, un conte, favola, come up with, catchy, inventa,
        invente, erfinde, filastrocca, придумай, poems, haikus, slogans, taglines, short stories, jokes""",
    "write": """
        write, compose, schreibe, schreib, verfasse, écris, écrivez, rédige, escribe, redacta, scrivi, escreve,
        escreva, напиши, напишите, сочини, اكتب, लिखो, लिखें, लिखिए, draft, entwirf, rédigez, rédiger, redige,
        écrire, escribir, scrivere, escrever""",
    "extraction": """
        summarize, summarise, summary, tl dr, tldr, extract, classify, rewrite, paraphrase, list all,
        key points, fasse, zusammenfassung, résume, résumez, résumer, resume este, resume esto, resume el,
        resume la, resumir, resumen, resuma, riassumi, изложи, перескажи, резюмируй, краткое содержание, لخص,
        सारांश, proofread, rephrase, simplify, shorten, korrigiere, vereinfache, corrige, corriger, corrigez,
        correggi, corrija, исправь, bullet points, stichpunkte, gist, correct the, correct this, correct my""",
    "reasoning": """
        why, how do, how does, how did, how can, how could, how would, how to, how is, how are, explain,
        analyze, analyse, implication, implications, difference between, warum, wieso, erkläre, erklär,
        wie funktioniert, pourquoi, explique, comment fonctionne, explica, por qué, cómo funciona, por que,
        como funciona, perché, spiega, come funziona, почему, зачем, объясни, объясните, как работает, لماذا,
        اشرح, كيف, क्यों, कैसे, समझाओ, समझाइए, reasons, differences between, relationship between, related to,
        cause, causes, what if, unterschied, unterschiede, ursachen, différence, différences, diferencia,
        diferencias, differenza, differenze, diferença, diferenças, разница, الفرق, अंतर, led to""",
    "judgement": """
        compare, evaluate, argue, judge whose, critique, trade off, trade offs, tradeoff, tradeoffs, advice,
        advise, recommend, recommendation, recommendations, suggest, vergleiche, bewerte, empfiehl, rat geben,
        comparez, conseil, conseils, compara, consejo, consejos, recomienda, confronta, consiglio, consigli,
        conselho, conselhos, recomenda, сравни, посоветуй, плюсы и минусы, قارن, نصيحة, तुलना, सलाह, strategy,
        strategies, tips, ideas, good way, good idea, good strategy, tipps, ideen, idées, ideas para, idee,
        ideias, идеи, أفكار, सुझाव""",
    "advice": """
        how should, what should, where should, when should, how best to, wie sollte, wie soll ich,
        was soll ich, que devrais je, comment devrais je, qué debería, cosa dovrei, o que devo""",
    "lookup": """
        how tall, how old, how far, how long, how big, how high, how fast, how often, capital of, define,
        definition of, stand for, stands for, hauptstadt von, wie hoch, wie alt, wie weit, wie lang,
        capitale de, capital de, capitale di, capitale della, capital do, capital da, столица, что такое,
        عاصمة, राजधानी, population of, height of, distance between, boiling point, author of, ^ name the,
        largest, biggest, longest, tallest, highest, oldest, smallest, größte, längste, höchste, plus grand,
        plus long, más largo, más grande, más alto, più grande, più lungo, più alto, maior, самый, самая,
        самое, symbol for, symbol of""",
    "asks": """
        who, when, where, which, what, whose, wer, wann, wo, welche, welcher, welches, qui, quand, où, quel,
        quelle, quién, cuándo, dónde, cuál, qué, quem, quando, onde, qual, chi, dove, quale, кто, когда, где,
        какой, какая, من هو, من هي, ما هي, ما هو, متى, أين, कौन, कब, कहाँ, कहां, क्या, wem, wen, seit wann,
        depuis quand, lequel, cuáles, quali, quais, что, чей, किसने, किसका, किस""",
    "contested": """
        should i, should you, should we, should they, should the, should a, should government,
        should governments, should companies, is it right, is it wrong, is it better, is it worth,
        is it ethical, is it moral, best, better, worth it, opinion, opinions, ethic, ethics, ethical, moral,
        morals, morality, morally, controversy, controversial, debate, pros and cons, for or against, sollte,
        sollten, moralisch, ethisch, vertretbar, devrait, devraient, faut il, éthique, debería, deberían,
        ético, dovrebbe, dovrebbero, è giusto, è etico, deveria, deveriam, следует ли, должны ли, должен ли,
        должно ли, стоит ли, нужно ли, هل يجب, هل ينبغي, करना चाहिए, होना चाहिए, लगाना चाहिए, देना चाहिए,
        ^ should, ^ ought, do you think, take a side, preferable, justified, harm than good, overrated,
        für oder gegen, gerechtfertigt, sinnvoll, pour ou contre, justifié, a favor o en contra, justificado,
        favorevole o contrario, giustificato, contra ou a favor, за или против, оправдан, оправдано, es mejor,
        è meglio, é melhor, ist es besser, vaut il mieux, лучше ли, besser""",
    "answer form": """
        yes or no, true or false, answer with the number, answer with the letter, answer with only,
        answer with yes, only the number, just the number, only the letter, just the letter,
        what is the output, what does this print, what will this print, code print, program print,
        ja oder nein, richtig oder falsch, oui ou non, vrai ou faux, sí o no, verdadero o falso, sì o no,
        vero o falso, sim ou não, да или нет, نعم أو لا, نعم أم لا, हाँ या नहीं""",
    "number": """
        one, two, three, four, five, six, seven, eight, nine, ten, half, twice, double, dozen, zwei, drei,
        vier, fünf, halb, hälfte, doppelt, deux, trois, quatre, cinq, moitié, dos, tres, cuatro, cinco, mitad,
        doble, due, tre, quattro, cinque, metà, doppio, dois, duas, três, quatro, metade, dobro, два, три,
        четыре, пять, половина, вдвое""",
    "command": """
        write, explain, compare, list, propose, analyze, analyse, summarize, summarise, translate, suggest,
        describe, evaluate, calculate, design, create, draft, outline, discuss, identify, erkläre, vergleiche,
        schreibe, übersetze, nenne, beschreibe, berechne, explique, écris, traduis, décris, calcule, explica,
        compara, escribe, traduce, calcula, spiega, confronta, scrivi, traduci, descrivi, calcola, escreve,
        traduz, descreve, объясни, сравни, напиши, переведи, опиши, посчитай, build, test""",
    "output": """
        output, outputs, prints, evaluates, returns""",
    "proof": """
        prove, proof, show that, derive, beweise, prouve, démontre, demuestra, dimostra, докажи""",
    "join": """
        and also, and then, as well as, after that, additionally, then also, finally, außerdem, und dann,
        et aussi, et puis, et ensuite, y también, y luego, y después, e poi, e inoltre, e depois, e também,
        и затем, после этого, и потом, ثم, और फिर, two things, three things, several things,
        following questions, following tasks, zwei dinge, deux choses, dos cosas, due cose, duas coisas, and how much,
        and how many, and what is, and what are, and who is, and who wrote, und wie viel, und wie viele, und wer ist,
        et combien, et qui est, y cuánto, y cuántos, y quién es, e quanto, e chi è""",
    "next task": """
        then write, then explain, then translate, then summarize, then summarise, then compare, then list,
        then document, then test, and test it, and document it, finally document, finally write,
        dann schreibe, puis écris, luego escribe, and write, and translate, and summarize""",
    "greeting": """
        hi, hello, hey, thanks, thank, good morning, good evening, hallo, danke, guten, bonjour, merci, hola,
        gracias, ciao, grazie, olá, obrigado, obrigada, привет, здравствуйте, спасибо, مرحبا, شكرا, नमस्ते,
        धन्यवाद, bonsoir, salut, buenos días, buenas tardes, buenas noches, buongiorno, buonasera, bom dia,
        boa tarde, boa noite, servus, добрый день, доброе утро, السلام عليكم""",
}

#: The same for scripts that put no space between words, or join endings to them: a term is found at any place.
UNSPACED: Final = {
    "code": "python, java, 代码, 编程, 程序, コード, プログラム, 코드, 프로그램",
    "math": "方程, 概率, 確率, 방정식, 확률",
    "compute": "计算, 求解, 等于多少, 計算して, 解いて, 계산",
    "translation": "翻译, 翻譯, 翻訳, 번역",
    "creative": "写一首, 写一个故事, 写一篇, 俳句, 詩を, 物語を, 시를, 이야기를 써",
    "extraction": "总结, 摘要, 概括, 要約, まとめて, 요약",
    "reasoning": "为什么, 解释, 如何, 怎么, なぜ, どうして, 説明して, 왜, 설명해, 어떻게, 区别, 違い, 차이",
    "judgement": "比较, 建议, 优缺点, 比較して, アドバイス, 비교, 조언",
    "lookup": "什么时候, 谁, 哪里, 哪个, 哪年, 首都, いつ, どこ, 誰, 어디, 언제, 누구",
    "asks": "什么, 多高, 多少, 多大, 多长, 几个, 何, いくつ, どれ, 무엇, 몇",
    "contested": "应该, 是否值得, べきか, べきですか, 해야 할까, 해야 합니까",
    "answer form": "是或否, 对还是错, はいかいいえ, 예 또는 아니오",
    "join": "然后再, 并且, それから, 그리고 나서",
    "greeting": "你好, 谢谢, こんにちは, ありがとう, 안녕, 감사합니다",
}
