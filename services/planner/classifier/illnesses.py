"""Names of illnesses, drugs and findings: data of planner.classifier.diagnosis."""

from __future__ import annotations

import re
from typing import Final

from planner.classifier.words import by_lead

#: Beginnings of words.
_BEGINNINGS: Final = tuple(
    " ".join(item.split())
    for item in """
    rheumat, syndrome, bipolar, fibrosis, meningit, huntington, cerebral palsy, liver disease, heart attack,
    kidney failure, ulcer, hernia, metasta, malignan, anaphyl, sickle cell, down syndrome, suicid, overdose, ocd,
    chemo, dialysis, insulin, disorder, diabet, cancer, carcinom, melanom, tumor, tumour, leukemia, leukaemia,
    lymphom, hypertens, asthma, copd, pneumon, hepatit, hiv, aids, covid, tubercul, malaria, sepsis, stroke,
    infarct, angina, arrhythm, heart disease, heart failure, kidney disease, renal failure, cirrhos, crohn, colitis,
    coeliac, celiac, arthritis, osteopor, lupus, sclerosi, multiple scler, parkinson, alzheimer, dementia, epilep,
    seizure, migraine, depress, anxiety, schizo, adhd, autis, ptsd, anorexi, bulimi, alcoholism, addiction, obesity,
    anemia, anaemia, hemophil, thrombos, embolism, aneurysm, syphilis, gonorr, chlamyd, herpes, endometrios,
    psoriasis, eczema, fibromyalg, glaucom, cataract, fracture, concussion, hypothyr, hyperthyr, psychos, insomnia,
    influenza, appendicit, pregnan, miscarriage, krebs, brustkrebs, lungenkrebs, bluthochdruck, herzinfarkt,
    schlaganfall, morbus, demenz, lungenentz, hirntumor, sclérose, dépress, asthme, démence, épilep, avc, cáncer,
    câncer, asma, hipertens, depres, esquizof, esclero, lúpus, infarto, demencia, demência, neumon, cancro,
    ipertens, polmonite, диабет, гепатит, астм, гиперт, депресс, эпилеп, инфаркт, инсульт, туберкул, шизофрен,
    chest pain, abdominal pain, back pain, shortness of breath, dyspn, palpitation, syncope, haemorrhag, hemorrhag,
    allerg, gastritis, pancreat, nephr, neuropath, retinopath, cholecyst, bronchit, tonsillit, cystitis, endocardit,
    scoliosis, sciatica, vertigo, tinnitus, paralys, parapleg, quadripleg, mastectom, hysterectom, transplant,
    ovarian cyst, cysts, herzinsuff, blindness, deafness, bipola, alzh, parkin, diabèt, ansied, ansia, angststör,
    anxiété, tdah, trouble bip, obésit, obesid, anémi, leucem, leucém, leukäm, linfom, mélanom, herpès, endométr,
    ekzem, eczém, gicht, arthros, bandscheib, migrän, migrañ, emicran, enxaq, esclerosi, esclerose, cirros, zirrhos,
    hépat, epatit, tuberk, maladie de, enfermedad de, malattia di, zwangsstör, essstör, sucht, magersucht, epilessi,
    stenos, aritmi, ateroscler, gastrit, gastroenter, otite, otitis, gout, measles, rubella, mumps, polio, tetanus,
    cholera, typhoid, dengue, ebola, lyme, hernie, herniated, kidney stone, gallstone, blood clot, brain injury,
    panic attack, eating disorder, substance abuse, premature, miscarr, ectopic, preeclamps, infertil, menopaus,
    tourette, dyslex, narcolep, apnea, apnoea, apnoe, sarcoid, allergie, schwanger, grippe, enceinte, embaraz,
    gravida, incinta, tumeur, vih, sida, ataques de p, attacchi di, wahnvor, herzschw, niereninsuff, artrit, artros,
    ictus, derrame, enfisema, insuficiencia, insufficien
    """.split(",")  # noqa: SIM905 - a table
)
_FIRST: Final = frozenset(item[:3] for item in _BEGINNINGS)
#: Whole words: short forms, and what many other words begin with.
_WHOLE: Final = frozenset(
    """als cad chf ckd mi gerd pcos ibs uti dvt tb flu cabg pneumothorax gbm cml aml hpv mrsa burnout
    рак рака раком вич спид гипертония""".split()  # noqa: SIM905 - a table
)
#: At any place, in words that are joined.
_ENDING: Final = re.compile(
    r"[a-zà-ÿ]{2,20}(?:itis|ectom(?:y|ie|ia)|opath(?:y|ie)|algia|plegia|emia|aemia|oma|osis|insuffizienz)"
)
#: Words with such endings that are no illnesses.
_NO_ILLNESS: Final = frozenset(
    """diagnosis prognosis osmosis hypnosis symbiosis mitosis meiosis apotheosis metamorphosis photosynthesis diploma
    aroma oklahoma tacoma academia bohemia mnemosis""".split()  # noqa: SIM905 - a table
)
_ANYWHERE: Final = ("krebs", "karzinom", "sklerose", "infarkt", "entzündung")
_UNSPACED: Final = by_lead(
    """
    癌 糖尿病 高血压 高血圧 肺炎 肝炎 哮喘 喘息 抑郁 うつ病 白血病 肿瘤 腫瘍 艾滋 癫痫 脳卒中 心梗 認知症 痴呆
    心臓病 心脏病 中风 骨折 统合失調症 統合失調症 精神分裂 怀孕 妊娠 당뇨 고혈압 폐암 유방암 위암 간암 대장암 췌장암
    갑상선암 우울증 치매 천식 뇌졸중 백혈병 임신 السكري سرطان الربو اكتئاب मधुमेह कैंसर अस्थमा диабет гепатит астм
    гиперт депресс эпилеп инфаркт инсульт туберкул шизофрен рак пневмон онколог беременн
    """.split()  # noqa: SIM905 - a table
)
_WORD: Final = re.compile(r"[^\W_]+")

#: Drugs by their generic names: as in Text.pieces.
DRUGS: Final = frozenset(
    item.encode()
    for item in """
    metformin insulin glipizide semaglutide empagliflozin sitagliptin lisinopril enalapril ramipril losartan valsartan
    amlodipine metoprolol bisoprolol atenolol carvedilol propranolol furosemide hydrochlorothiazide spironolactone
    atorvastatin simvastatin rosuvastatin pravastatin warfarin apixaban rivaroxaban clopidogrel heparin enoxaparin
    digoxin amiodarone omeprazole pantoprazole esomeprazole ranitidine levothyroxine prednisone prednisolone
    dexamethasone hydrocortisone albuterol salbutamol fluticasone montelukast tiotropium amoxicillin penicillin
    azithromycin doxycycline ciprofloxacin levofloxacin vancomycin ceftriaxone metronidazole fluconazole acyclovir
    tenofovir emtricitabine truvada biktarvy sertraline fluoxetine escitalopram citalopram paroxetine venlafaxine
    duloxetine bupropion mirtazapine trazodone amitriptyline lithium lamotrigine valproate carbamazepine levetiracetam
    topiramate gabapentin pregabalin quetiapine olanzapine risperidone aripiprazole clozapine haloperidol alprazolam
    lorazepam diazepam clonazepam zolpidem methylphenidate adderall ritalin oxycodone hydrocodone morphine fentanyl
    tramadol methadone buprenorphine naltrexone naloxone ibuprofen naproxen tamoxifen letrozole methotrexate
    rituximab trastuzumab pembrolizumab adalimumab humira hydroxychloroquine prozac zoloft xanax lexapro ozempic
    progesterone estradiol testosterone finasteride tamsulosin donepezil memantine levodopa sumatriptan
    allopurinol colchicine
    """.split()  # noqa: SIM905 - a table
)
#: What is measured in somebody: as in Text.pieces.
FINDINGS: Final = frozenset(
    b"hba1c a1c creatinine egfr troponin tsh hemoglobin haemoglobin ldl psa bilirubin ferritin wbc inr cd4".split()
)


def is_named_at(lower: str, at: int) -> bool:
    """Tell whether the name of an illness begins at a place."""
    if lower[at : at + 3] in _FIRST and lower.startswith(_BEGINNINGS, at):
        return True
    word = _WORD.match(lower, at)
    return word is not None and word.group() in _WHOLE


def are_named(lower: str, start: int, end: int) -> bool:
    """Tell whether an illness is named between two places."""
    for word in _WORD.finditer(lower, start, end):
        at = word.start()
        if (lower[at : at + 3] in _FIRST and lower.startswith(_BEGINNINGS, at)) or word.group() in _WHOLE:
            return True
        if _ENDING.fullmatch(lower, at, word.end()) and word.group() not in _NO_ILLNESS:
            return True
    window = lower[start:end]
    if any(name in window for name in _ANYWHERE):
        return True
    return not window.isascii() and any(name in window for names in _UNSPACED.values() for name in names)
